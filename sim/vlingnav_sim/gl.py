"""One off-screen OpenGL context per thread, through EGL or else OSMesa.

Unusual: plain ctypes instead of PyOpenGL, which binds a whole process to one platform when it is first
imported and so cannot fall back. A context is shared by all renderers of its thread: thousands of
simulators may come and go, and none of them owns (or leaks) a context.

`MUJOCO_GL=egl` or `MUJOCO_GL=osmesa` forces one of the two; with any other value EGL is tried first. Mesa's
software rasteriser works in the calling thread unless `LP_NUM_THREADS` says otherwise.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

_EGL_PLATFORM_DEVICE = 0x313F
_EGL_OPENGL_API = 0x30A2
# Renderable type OpenGL, surface type pixel buffer, 24 bit of depth, end of list.
_EGL_ATTRIBUTES = (0x3040, 0x0008, 0x3033, 0x0001, 0x3025, 24, 0x3038)
_OSMESA_RGBA, _GL_FLOAT = 0x1908, 0x1406

_local = threading.local()


class GLUnavailableError(RuntimeError):
    """No off-screen OpenGL here; the message names the packages to install."""


def make_current() -> None:
    """Make the calling thread's context current, creating it on first use (0.5 µs afterwards).

    Raises:
        GLUnavailableError: neither EGL nor OSMesa works here.
        RuntimeError: this process was forked from one that had already rendered.
    """
    if os.getpid() != _backend_pid():
        raise RuntimeError(
            "OpenGL was started before this process was forked, which its driver does not survive; "
            'start worker processes with the "spawn" or "forkserver" method'
        )
    activate = getattr(_local, "activate", None)
    if activate is None:
        activate = _local.activate = _backend()[1]()
    activate()


def backend() -> str:
    """Name of the OpenGL platform in use, "egl" or "osmesa"."""
    return _backend()[0]


@functools.cache
def _backend_pid() -> int:
    return os.getpid()


@functools.cache
def _backend() -> tuple[str, Callable[[], Callable[[], None]]]:
    """Choose the platform once per process: its name, and a maker of contexts."""
    # Images are small: handing them to other threads and waiting costs more than drawing them.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    platforms = {"egl": _open_egl, "osmesa": _open_osmesa}
    forced = os.environ.get("MUJOCO_GL", "").strip().lower()
    reasons = []
    for name in [forced] if forced in platforms else list(platforms):
        try:
            return name, platforms[name]()
        except (OSError, AttributeError, RuntimeError) as error:
            reasons.append(f"{name}: {error}")
    raise GLUnavailableError(
        f"cannot render off-screen ({'; '.join(reasons)}); install the drivers with "
        "`apt-get install libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libosmesa6`"
    )


def _open_egl() -> Callable[[], Callable[[], None]]:
    # Global symbols: MuJoCo looks up eglGetProcAddress among those of the process.
    egl = ctypes.CDLL("libEGL.so.1", mode=ctypes.RTLD_GLOBAL)
    pointer, enum = ctypes.c_void_p, ctypes.c_int
    _declare(egl.eglGetProcAddress, pointer, ctypes.c_char_p)
    _declare(egl.eglInitialize, enum, pointer, pointer, pointer)
    _declare(egl.eglChooseConfig, enum, pointer, pointer, pointer, enum, pointer)
    _declare(egl.eglCreateContext, pointer, pointer, pointer, pointer, pointer)
    _declare(egl.eglMakeCurrent, enum, pointer, pointer, pointer, pointer)

    def extension(name: bytes, *types: Any) -> Any:
        address = egl.eglGetProcAddress(name)
        if not address:
            raise RuntimeError(f"the driver lacks {name.decode()}")
        return ctypes.CFUNCTYPE(*types)(address)

    query = extension(b"eglQueryDevicesEXT", enum, enum, pointer, pointer)
    get_display = extension(b"eglGetPlatformDisplayEXT", pointer, enum, pointer, pointer)
    devices, count = (pointer * 16)(), enum()
    query(len(devices), devices, ctypes.byref(count))
    chosen = os.environ.get("MUJOCO_EGL_DEVICE_ID")
    for device in [devices[int(chosen)]] if chosen else devices[: count.value]:
        display = get_display(_EGL_PLATFORM_DEVICE, device, None)
        if display and egl.eglInitialize(display, None, None):
            break
    else:
        raise RuntimeError("no device can be initialised")

    config, found = pointer(), enum()
    attributes = (enum * len(_EGL_ATTRIBUTES))(*_EGL_ATTRIBUTES)
    egl.eglChooseConfig(display, attributes, ctypes.byref(config), 1, ctypes.byref(found))
    if not found.value:
        raise RuntimeError("no frame buffer configuration fits")

    def create() -> Callable[[], None]:
        egl.eglBindAPI(_EGL_OPENGL_API)
        context = egl.eglCreateContext(display, config, None, None)

        def activate() -> None:
            if not egl.eglMakeCurrent(display, None, None, context):
                raise RuntimeError("the EGL context of this thread cannot be made current")

        if not context:
            raise RuntimeError("no EGL context can be created")
        return activate

    create()()
    return create


def _open_osmesa() -> Callable[[], Callable[[], None]]:
    osmesa = ctypes.CDLL("libOSMesa.so.8", mode=ctypes.RTLD_GLOBAL)
    pointer, enum = ctypes.c_void_p, ctypes.c_int
    _declare(osmesa.OSMesaCreateContextExt, pointer, enum, enum, enum, enum, pointer)
    _declare(osmesa.OSMesaMakeCurrent, ctypes.c_ubyte, pointer, pointer, enum, enum, enum)

    def create() -> Callable[[], None]:
        context = osmesa.OSMesaCreateContextExt(_OSMESA_RGBA, 24, 8, 0, None)
        # MuJoCo draws into a frame buffer object of its own; this one only has to exist.
        side = 8
        buffer = (ctypes.c_float * (side * side * 4))()

        def activate() -> None:
            if not osmesa.OSMesaMakeCurrent(context, buffer, _GL_FLOAT, side, side):
                raise RuntimeError("the OSMesa context of this thread cannot be made current")

        if not context:
            raise RuntimeError("no OSMesa context can be created")
        return activate

    create()()
    return create


def _declare(function: Any, result: Any, *arguments: Any) -> None:
    function.restype, function.argtypes = result, list(arguments)
