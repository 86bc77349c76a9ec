"""The part of CoreDNS's configuration language that the cluster's DNS carries out.

What is written and not carried out is refused with the line and the word; nothing is accepted and ignored. Pure.
Source: CoreDNS 1.11, man corefile(5) and the pages of the plug-ins named in `blocks`.
"""

from pilothouse.network.dns.corefile.parse import CorefileError, parse
from pilothouse.network.dns.corefile.types import Block, Configuration, Forward, Hosts, default

__all__ = ["Block", "Configuration", "CorefileError", "Forward", "Hosts", "default", "parse"]
