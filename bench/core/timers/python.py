# timers on asyncio: tasks that sleep five times for 1 to 100 ms.
import asyncio, random, sys, time
n = int(sys.argv[1])
random.seed(7)

async def sleeper():
    for _ in range(5):
        await asyncio.sleep(random.randint(1, 100) / 1000)

async def main():
    began = time.process_time()
    await asyncio.gather(*[sleeper() for _ in range(n)])
    print("ns %.2f" % ((time.process_time() - began) / n / 5 * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
