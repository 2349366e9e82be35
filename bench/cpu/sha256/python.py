# sha256 on asyncio, on its threads: strings of 1 MiB on all cores, and how late a 1 ms timer is meanwhile.
import asyncio, hashlib, sys, time
n = int(sys.argv[1])
data = b"0123456789abcdef" * 65536

def digest():
    return hashlib.sha256(data).hexdigest()

async def main():
    late, running = 0, True

    async def watch():
        nonlocal late
        while running:
            due = time.monotonic() + 0.001
            await asyncio.sleep(0.001)
            late = max(late, time.monotonic() - due)

    limit = asyncio.Semaphore(16)

    async def one():
        async with limit:
            await asyncio.to_thread(digest)

    began = time.monotonic()
    watcher = asyncio.create_task(watch())
    await asyncio.gather(*[one() for _ in range(n)])
    took = time.monotonic() - began
    running = False
    await watcher
    print("gb_s %.4f late_ms %.3f" % (n * len(data) / took / 1e9, late * 1000))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
