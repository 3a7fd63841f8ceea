"""A camera for the tests: GStreamer's RTSP server on loopback.

server.py PORT AUTH USER PASSWORD   (PORT 0: any; AUTH none, basic or digest)

It prints the port when it listens, and ends when its standard input does.
"""
import sys
import threading

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

port, how, user, password = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)

if how != "none":
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if how == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)

bars = "videotestsrc is-live=true pattern=smpte75 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! "
sound = "audiotestsrc is-live=true freq=440 volume=0.5 ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay pt=8 name="
mounts = {
    "/h264": bars + "x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max=5 ! rtph264pay pt=96 name=pay0",
    "/h265": bars + "x265enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max=5 log-level=0 ! rtph265pay pt=96 name=pay0",
    "/mjpeg": bars.replace("10/1", "25/1").replace("I420", "RGB") + "videoconvert ! video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc quality=95 ! rtpjpegpay pt=26 name=pay0",
    "/both": bars + "jpegenc ! rtpjpegpay pt=26 name=pay0 " + sound + "pay1",
    "/sound": sound + "pay0",
}
for path, launch in mounts.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch("( " + launch + " )")
    factory.set_shared(True)
    if how != "none":
        factory.add_role_from_structure(Gst.Structure.new_from_string(
            "user,media.factory.access=true,media.factory.construct=true"))
    server.get_mount_points().add_factory(path, factory)

if server.attach(None) == 0:
    sys.exit("the port is taken")
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
