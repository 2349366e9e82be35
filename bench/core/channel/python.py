# channel of 100 on asyncio: a queue, one task puts, one gets.
import asyncio, sys, time
n = int(sys.argv[1])

async def main():
    queue = asyncio.Queue(100)

    async def send():
        for i in range(n):
            await queue.put(i)

    began = time.process_time()
    sender = asyncio.create_task(send())
    total = 0
    for _ in range(n):
        total += await queue.get()
    await sender
    assert total == n * (n - 1) // 2
    print("ns %.2f" % ((time.process_time() - began) / n * 1e9))

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
