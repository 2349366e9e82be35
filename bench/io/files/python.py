# files on asyncio, on its threads: reads of 4 KiB files, 64 at once.
import asyncio, os, sys, time
n = int(sys.argv[1])
directory = "build/bench/files"
os.makedirs(directory, exist_ok=True)
paths = ["%s/%d" % (directory, i) for i in range(64)]
for path in paths:
    with open(path, "wb") as file:
        file.write(b"x" * 4096)

def read(path):
    with open(path, "rb") as file:
        return file.read()

async def reads(path):
    for _ in range(n // 64):
        assert len(await asyncio.to_thread(read, path)) == 4096

async def main():
    began = time.monotonic()
    await asyncio.gather(*[reads(path) for path in paths])
    print("per_s %.1f" % (n // 64 * 64 / (time.monotonic() - began)))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
