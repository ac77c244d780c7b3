"""How large the screen is, as far as the system tells without any further package."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

USUAL = (1280, 720)  # where nothing tells


def screen_size() -> tuple[int, int]:
    """Give width and height of the screen in pixels; USUAL if they cannot be known."""
    try:
        if sys.platform == "win32":
            metrics = ctypes.windll.user32.GetSystemMetrics
            size = metrics(0), metrics(1)  # SM_CXSCREEN, SM_CYSCREEN
        elif sys.platform == "darwin":
            graphics = ctypes.CDLL(ctypes.util.find_library("CoreGraphics"))
            display = graphics.CGMainDisplayID()
            size = graphics.CGDisplayPixelsWide(display), graphics.CGDisplayPixelsHigh(display)
        else:
            size = _x11_size()
    except (OSError, AttributeError, TypeError):
        return USUAL
    return size if min(size) > 0 else USUAL


def _x11_size() -> tuple[int, int]:
    """Ask the X server. Raises OSError if its library is not there, or no server."""
    x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    for function in (x11.XDefaultScreen, x11.XCloseDisplay):
        function.argtypes = [ctypes.c_void_p]
    for function in (x11.XDisplayWidth, x11.XDisplayHeight):
        function.argtypes = [ctypes.c_void_p, ctypes.c_int]
    display = x11.XOpenDisplay(None)
    if not display:
        raise OSError("no X server")
    try:
        screen = x11.XDefaultScreen(display)
        return x11.XDisplayWidth(display, screen), x11.XDisplayHeight(display, screen)
    finally:
        x11.XCloseDisplay(display)
