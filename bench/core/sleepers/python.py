# sleepers on asyncio: so many tasks asleep at once.
import asyncio, sys, time
n = int(sys.argv[1])
seconds = 0.5 + n * 5e-6

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

async def sleeper():
    await asyncio.sleep(seconds)

async def main():
    before, began = resident(), time.process_time()
    tasks = [asyncio.create_task(sleeper()) for _ in range(n)]
    await asyncio.sleep(0)
    made = time.process_time()
    print("bytes %.1f create_ns %.2f" % ((resident() - before) / n, (made - began) / n * 1e9))
    began = time.process_time()
    for task in tasks:
        await task
    print("wake_ns %.2f" % ((time.process_time() - began) / n * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
