import subprocess
from importlib import resources

from pilothouse.platform.builds import stand_ins


def test_the_scripts_of_stand_ins_are_valid_for_their_shells() -> None:
    folder = resources.files(stand_ins).joinpath("files")
    for script in (entry for entry in folder.iterdir() if entry.name.endswith(".sh")):
        shell = script.read_text().partition("\n")[0].removeprefix("#!/bin/")
        subprocess.run([shell, "-n"], input=script.read_bytes(), check=True)
