"""Names of the library in the prose of the pages become links to what the API says of them."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

NAME = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?:\(.*\))?")
PACKAGES = ("otgan.", "otgan.gan.", "otgan.data.")


def candidates(text: str, plain: frozenset[str]) -> list[str]:
    """Return the full names that a piece of code may stand for: of ``emd(x, y)``, or ``otgan.emd``, that function's.

    Parameters
    ----------
    text : str
        What stands between backticks.
    plain : frozenset of str
        Lower-case names that mean the library's function wherever they stand without the package. Others, such as
        ``emd``, are keys of reports and names of systems as well.
    """
    found = NAME.fullmatch(text)
    if found is None:
        return []
    name = found["name"]
    if name.startswith("otgan."):
        return [name]
    if name in plain or name[:1].isupper() or "(" in text:
        return [package + name for package in PACKAGES]
    return []


class LinkedNames(SphinxPostTransform):
    """Wrap literals that name an object of the API in references to it."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Wrap those of one page."""
        domain = self.env.get_domain("py")
        plain = frozenset(self.config.linked_plain_names)
        for literal in list(self.document.findall(nodes.literal)):
            if _linked(literal) or not set(literal["classes"]) <= {"code", "docutils", "literal"}:
                continue
            known = [name for name in candidates(literal.astext(), plain) if name in domain.objects]
            if known and self._page(domain, known[0]) != self.env.docname:
                self._link(literal, domain, known[0])

    @staticmethod
    def _page(domain: Any, name: str) -> str:
        return str(domain.objects[name].docname)

    def _link(self, literal: nodes.literal, domain: Any, name: str) -> None:
        node = domain.resolve_xref(
            self.env,
            self.env.docname,
            self.app.builder,
            "obj",
            name,
            pending_xref(reftype="obj", refdoc=self.env.docname),
            literal.deepcopy(),
        )
        if node is not None:
            literal.replace_self(node)


def _linked(node: nodes.Node) -> bool:
    """Whether a node stands in a link, or where there may be none."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, (nodes.reference, pending_xref, nodes.title, nodes.term)):
            return True
    return False


def setup(app: Any) -> dict[str, Any]:
    """Connect it to the build."""
    app.add_config_value("linked_plain_names", [], "env")
    app.add_post_transform(LinkedNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
