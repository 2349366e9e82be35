# lock on asyncio: 1,000 tasks contend, with a yield inside.
import asyncio, sys, time
n = int(sys.argv[1])

async def main():
    lock = asyncio.Lock()

    async def contend():
        for _ in range(n // 1000):
            async with lock:
                await asyncio.sleep(0)

    began = time.process_time()
    await asyncio.gather(*[contend() for _ in range(1000)])
    print("ns %.2f" % ((time.process_time() - began) / n * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
