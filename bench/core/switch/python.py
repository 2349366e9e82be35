# switch on asyncio: 100 tasks that sleep for no time.
import asyncio, sys, time
n = int(sys.argv[1])

async def turns():
    for _ in range(n // 100):
        await asyncio.sleep(0)

async def main():
    began = time.process_time()
    await asyncio.gather(*[asyncio.create_task(turns()) for _ in range(100)])
    print("ns %.2f" % ((time.process_time() - began) / n * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
