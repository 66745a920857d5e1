"""Asks for known vulnerabilities in what the locks pin, with pip-audit, and says so where nobody could be asked.

    audit.py PIP_AUDIT LOCK...

Exit status 1 if a package is known to be vulnerable, or pip-audit fails for a reason of its own; 0 otherwise, also
where the service that knows cannot be reached. pip-audit itself calls packages that the service does not know
"skipped", and ends well even if that is all of them.
"""

import json
import subprocess
import sys
from typing import Any

UNREACHABLE = ("ConnectionError", "Connection refused", "Failed to connect", "Max retries exceeded", "timed out")
"""What pip-audit says when it cannot ask."""


def main(program: str, locks: list[str]) -> int:
    return max(audit(program, lock) for lock in locks)


def audit(program: str, lock: str) -> int:
    """Audits one lock, says how it went, and returns the exit status."""
    command = [program, "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json", "-r", lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return no_answer(lock, done.stderr)
    found = [line for package in packages for line in vulnerabilities(package)]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        print(f"{lock}: not audited: the service that knows of vulnerabilities knew none of its packages")
        return 0
    print(f"{lock}: {len(packages) - len(skipped)} packages audited, {len(found)} vulnerabilities")
    for line in [*found, *(f"  {name}: not known to the service" for name in skipped)]:
        print(line)
    return 1 if found else 0


def vulnerabilities(package: dict[str, Any]) -> list[str]:
    """A line for each that is known of the package."""
    name = f"{package['name']} {package.get('version', '')}"
    return [
        f"  {name}: {known['id']}; mended in {', '.join(known['fix_versions']) or 'no version yet'}"
        for known in package.get("vulns", [])
    ]


def no_answer(lock: str, error: str) -> int:
    """pip-audit gave no report: is it for want of a network?"""
    last = error.strip().splitlines()[-1:] or ["pip-audit said nothing"]
    if any(sign in error for sign in UNREACHABLE):
        print(f"{lock}: not audited: the service that knows of vulnerabilities cannot be reached")
        return 0
    print(f"{lock}: pip-audit failed: {last[0]}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
