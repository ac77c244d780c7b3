"""Layers of the owner's own: the code of classes that no release has, from a Python file or a source tree.

This is the only place in the project that runs somebody else's code, and it does so only when it is asked
to. What is run is the file or tree that its owner names, never anything of the checkpoint.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from torch import nn

from runtime.escape import escape

from ..errors import ConvertError, first_line

MAX_ABSENT = 100  # packages that a tree may import and this machine lack

# The newest YOLOv5's models/common.py installs this one with pip if it is missing; no layer needs it.
ALWAYS_ABSENT = {"ultralytics"}


class OwnLayers:
    """The classes of a Python file or a source tree, by name or by dotted path. A context manager.

    Within the context, code of the tree may be imported; what that changes in `sys.path` and `sys.modules` is
    undone at its end. Packages that are imported and not installed are replaced by empty ones, as the tree of
    a training imports much that a layer does not use; one that a layer does use fails when the layer runs.
    """

    def __init__(self, path: str | Path):
        """Raises ConvertError if there is no such file or folder."""
        self.path = Path(path)
        if not self.path.exists():
            raise ConvertError(f"{self.path}: there is no such file or folder of layers")
        if self.path.is_file() and self.path.suffix != ".py":
            raise ConvertError(f"{self.path}: layers are taken from a Python file (.py) or a source tree")
        self.used: set[type[nn.Module]] = set()
        self._file: ModuleType | None = None
        self._absent = _Absent()
        self._exit = ExitStack()

    def __enter__(self) -> OwnLayers:
        path, modules, written = list(sys.path), dict(sys.modules), sys.dont_write_bytecode
        self._exit.callback(_restore, path, modules, written, self._absent)
        sys.path[:0] = [str(root) for root in self._roots()]
        sys.meta_path.append(self._absent)
        sys.dont_write_bytecode = True
        top = {root.name for root in self._top_level()} - {"convert", "runtime"}
        for name in [name for name in sys.modules if name.partition(".")[0] in top]:
            del sys.modules[name]  # another tree's modules of the same names
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit.close()

    def _roots(self) -> list[Path]:
        """Give the folders that the code's imports start from."""
        path = self.path.resolve()
        if path.is_dir():
            return [path, path.parent]
        above = path.parent
        while (above / "__init__.py").exists():
            above = above.parent
        roots = [above, path.parent]
        return roots if path.parent.name not in ("models", "utils") else [path.parent.parent, *roots]

    def _top_level(self) -> list[Path]:
        """Give the packages and files at the top of those folders, by their names as modules."""
        root, *_ = self._roots()
        found = [p for p in root.iterdir() if p.is_dir() or p.suffix == ".py"]
        own = [p.with_suffix("") for p in found if p.name.removesuffix(".py").isidentifier()]
        installed = [p for p in own if not _is_installed(p.name)]
        return installed if self.path.is_dir() else [*installed, self.path.with_suffix("")]

    def find(self, path: str) -> type[nn.Module] | None:
        """Give the class of this dotted path (in a file: of its last part); None if there is none.

        Raises ConvertError if the code cannot be imported, or if what has the name is not a layer.
        """
        module_name, _, name = path.rpartition(".")
        cls = self._of_file(name) if self.path.is_file() else self._of_tree(module_name, name)
        if cls is None:
            return None
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
            raise ConvertError(f"{self.path}: its {escape(path, 200)} is not a layer (torch.nn.Module)")
        self.used.add(cls)
        return cls

    def _of_file(self, name: str) -> Any:
        if self._file is None:
            own_name = self.path.resolve()
            above = [own_name.stem]
            for folder in own_name.parents:
                if not (folder / "__init__.py").exists() and folder.name not in ("models", "utils"):
                    break
                above.insert(0, folder.name)
            self._file = self._import(".".join(above))
        return getattr(self._file, name, None)

    def _of_tree(self, module_name: str, name: str) -> Any:
        """Look a class up under its path, or the end of it: the tree may begin further in."""
        parts = module_name.split(".")
        if not all(part.isidentifier() for part in (*parts, name)):
            return None
        root = self.path.resolve()
        for start in range(len(parts)):
            if any((root / Path(*parts[start:])).with_suffix(end).exists() for end in (".py", "")):
                return getattr(self._import(".".join(parts[start:])), name, None)
        return None

    def _import(self, name: str) -> ModuleType:
        """Import a module of the tree, again and again, with one more missing package replaced each time."""
        for _ in range(MAX_ABSENT):
            before = set(sys.modules)
            try:
                with redirect_stdout(sys.stderr):
                    return importlib.import_module(name)
            except ModuleNotFoundError as error:
                missing = (error.name or "").partition(".")[0]
                if not missing or missing in self._absent.names or missing == name.partition(".")[0]:
                    raise self._failed(name, error) from error
                self._absent.names.add(missing)
            except (Exception, SystemExit) as error:
                raise self._failed(name, error) from error
            for left in set(sys.modules) - before:  # half of them are not complete
                if self._is_own(sys.modules[left]):
                    del sys.modules[left]
        raise ConvertError(
            f"{self.path}: {name} imports more than {MAX_ABSENT} packages that are not installed"
        )

    def _is_own(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return file is not None and any(root in Path(file).resolve().parents for root in self._roots()[:1])

    def _failed(self, name: str, error: BaseException) -> ConvertError:
        reason = f"{type(error).__name__}: {first_line(Exception(str(error)))}"
        return ConvertError(f"{self.path}: {name} cannot be imported ({reason})")


def _is_installed(name: str) -> bool:
    """Tell whether Python has a module of this name without the tree: that one is kept."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    return name in sys.stdlib_module_names or (module is not None and "site-packages" in str(file))


def _restore(path: list[str], modules: dict[str, ModuleType], written: bool, finder: _Absent) -> None:
    sys.path[:] = path
    sys.dont_write_bytecode = written
    sys.meta_path.remove(finder)
    for name in [name for name, module in sys.modules.items() if isinstance(module, _Package)]:
        del sys.modules[name]
    for name in {name.partition(".")[0] for name in set(sys.modules) - set(modules)}:
        # what belongs to an installed package stays, as half of a package would not work
        file = str(getattr(sys.modules.get(name), "__file__", None) or "")
        if "site-packages" not in file and name not in modules and name not in sys.stdlib_module_names:
            for each in [each for each in sys.modules if each.partition(".")[0] == name]:
                del sys.modules[each]
    for name, module in modules.items():
        sys.modules.setdefault(name, module)


class _Nothing:
    """Stands for anything of a package that is not installed: false, without content, a base of any class."""

    def __init__(self, name: str):
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        while frame is not None:  # a layer that runs, not a module that is being imported
            if frame.f_code is nn.Module._call_impl.__code__:
                raise ModuleNotFoundError(f"the layer needs {self.__name__}, which is not installed")
            frame = frame.f_back  # type: ignore[assignment]
        # as a decorator it leaves what it decorates as it is
        return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else _Nothing(self.__name__)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return ()

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Any:
        return iter(())

    def __getitem__(self, key: Any) -> Any:
        return self


class _Package(ModuleType):
    """A package that is not installed."""

    __version__ = "0"
    __all__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(f"{self.__name__}.{name}")


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last to be asked for a module: gives an empty one for the packages that are known to be missing."""

    def __init__(self) -> None:
        self.names = set(ALWAYS_ABSENT)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        package = _Package(spec.name)
        package.__path__ = []
        return package

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""
