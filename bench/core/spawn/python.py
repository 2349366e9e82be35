# spawn and join on asyncio: tasks that yield once, in waves.
import asyncio, sys, time
n = int(sys.argv[1])
wave = int(sys.argv[2]) if sys.argv[2:] and sys.argv[2].isdigit() else 1000

async def once():
    await asyncio.sleep(0)

async def main():
    began = time.process_time()
    for _ in range(n // wave):
        for task in [asyncio.create_task(once()) for _ in range(wave)]:
            await task
    print("ns %.2f" % ((time.process_time() - began) / n * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
