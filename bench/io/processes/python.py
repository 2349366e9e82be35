# processes on asyncio: runs of /bin/true, 16 at once.
import asyncio, sys, time
n = int(sys.argv[1])

async def runs():
    for _ in range(n // 16):
        process = await asyncio.create_subprocess_exec("/bin/true")
        assert await process.wait() == 0

async def main():
    began = time.monotonic()
    await asyncio.gather(*[runs() for _ in range(16)])
    print("per_s %.1f" % (n // 16 * 16 / (time.monotonic() - began)))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
