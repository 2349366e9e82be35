# gather of 10,000 on asyncio: coroutines that yield once.
import asyncio, sys, time
n, width = int(sys.argv[1]), 10000

async def one(i):
    await asyncio.sleep(0)
    return i

async def main():
    began = time.process_time()
    for _ in range(n // width):
        values = await asyncio.gather(*[one(i) for i in range(width)])
        assert values[-1] == width - 1
    print("ns %.2f" % ((time.process_time() - began) / n * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
