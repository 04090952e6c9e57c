"""A clone of a public repository."""
import subprocess


class Repository:
    """A clone of a public repository: a work tree or a bare git directory."""

    def __init__(self, path):
        self.path = path

    def git(self, *args):
        return subprocess.check_output(["git", "-C", self.path, "-c", "core.quotepath=off", *args])

    def commit(self):
        return self.git("rev-parse", "HEAD").decode().strip()

    def files(self):
        return [f for f in self.git("ls-tree", "-r", "-z", "--name-only", "HEAD").decode().split("\0") if f]

    def text(self, name):
        return self.git("show", "HEAD:" + name).decode("utf-8", "replace")
