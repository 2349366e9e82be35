# TLS on asyncio, by a protocol: a handshake, then blocks for whoever sends anything. Prints its port and serves until
# killed.
import asyncio, os, ssl, sys

BLOCK = b"x" * 65536

class Push(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.room, self.pushing = transport, True, False

    def data_received(self, data):
        self.pushing = True
        self.push()

    def push(self):
        if self.pushing and self.room and not self.transport.is_closing():
            self.transport.write(BLOCK)
            asyncio.get_running_loop().call_soon(self.push)

    def pause_writing(self):
        self.room = False

    def resume_writing(self):
        self.room = True
        self.push()

async def main():
    at = os.environ.get("BUILD", "build") + "/bench/tls"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(at + ".crt", at + ".key")
    server = await asyncio.get_running_loop().create_server(Push, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

if sys.argv[-1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
