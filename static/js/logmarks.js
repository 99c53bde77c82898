// Hits of a search, marked in rows that are there.

/** Wrap each place of a (lower-case) word below `root` in <mark>. */
export function markWord(root, word) {
  if (!root.textContent.toLowerCase().includes(word)) return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    if (node.parentNode.localName === "mark") continue;
    let rest = node;
    for (let at = find(rest, word); at >= 0; at = find(rest, word)) {
      const hit = rest.splitText(at);
      rest = hit.splitText(word.length);
      const mark = document.createElement("mark");
      hit.replaceWith(mark);
      mark.append(hit);
    }
  }
}

function find(node, word) {
  return node.data.toLowerCase().indexOf(word);
}

/** Take all marks below `root` away again. */
export function unmark(root) {
  for (const mark of root.querySelectorAll("mark")) {
    const parent = mark.parentNode;
    mark.replaceWith(...mark.childNodes);
    parent.normalize();
  }
}
