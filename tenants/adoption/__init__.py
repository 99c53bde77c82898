"""Taking over what another tool built: its files are read, its state stays where it is.

What becomes of old variables and resources is data: adopt.yaml of a blueprint, which
docs/blueprints.md explains.
"""

from tenants.adoption.adopting import adopt_tenant, note_converted
from tenants.adoption.files import MAX_UPLOAD_BYTES, OldFile, read_folder
from tenants.adoption.packing import PreviewGone, bound_to, pack, unpack
from tenants.adoption.preview import Preview, preview_tenant

__all__ = [
    "MAX_UPLOAD_BYTES",
    "OldFile",
    "Preview",
    "PreviewGone",
    "adopt_tenant",
    "bound_to",
    "note_converted",
    "pack",
    "preview_tenant",
    "read_folder",
    "unpack",
]
