# generator: steps of a Python generator.
import sys, time
n = int(sys.argv[1])

def count(last):
    for i in range(1, last + 1):
        yield i

began = time.process_time()
total = 0
for i in count(n):
    total += i
assert total == n * (n + 1) // 2
print("ns %.2f" % ((time.process_time() - began) / n * 1e9))
