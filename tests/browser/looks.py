"""What can be told of a page's looks without eyes, as JavaScript that a browser evaluates."""

CONTRASTS = r"""
() => {
  // Every text against what lies behind it, by WCAG 2.2, 1.4.3; texts on pictures are not meant.
  const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.getClientRects().length || element.closest("svg, .vh, script, title, :disabled")) continue;
    const style = getComputedStyle(element);
    const under = behind(element), ink = over(parse(style.color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${walk.currentNode.data.trim().slice(0, 40)} .${element.className}`);
  }
  return poor;
}
"""

NAMELESS = r"""
() => {
  // Controls, links and pictures without a name, and labels that lead nowhere.
  const named = (one) => (one.getAttribute("aria-label") || one.textContent || one.title || "").trim()
    || (one.getAttribute("aria-labelledby") || "").split(" ").some((id) => document.getElementById(id)?.textContent.trim());
  const bad = [];
  for (const one of document.querySelectorAll("a[href], button, summary")) if (!named(one)) bad.push(one.outerHTML.slice(0, 120));
  for (const one of document.querySelectorAll("input:not([type=hidden]), select, textarea")) if (!one.labels?.length && !one.getAttribute("aria-label")) bad.push(one.outerHTML.slice(0, 120));
  for (const one of document.querySelectorAll("svg")) if (one.getAttribute("aria-hidden") !== "true" && !(one.getAttribute("role") === "img" && one.getAttribute("aria-label"))) bad.push(one.outerHTML.slice(0, 120));
  for (const one of document.querySelectorAll("section, nav")) if (!named({getAttribute: (n) => one.getAttribute(n), textContent: "", title: ""})) bad.push(one.outerHTML.slice(0, 120));
  for (const one of document.querySelectorAll("th:not([scope])")) bad.push(one.outerHTML);
  return bad;
}
"""

OUTLINE = r"""
() => {
  // One h1, no level of headings left out, one main, a language and a title.
  const levels = [...document.querySelectorAll("main h1, main h2, main h3, main h4")].map((one) => Number(one.tagName[1]));
  const bad = [];
  if (document.querySelectorAll("h1").length !== 1) bad.push("h1");
  levels.reduce((before, now) => { if (now > before + 1) bad.push(`h${now} after h${before}`); return now; }, 0);
  if (document.querySelectorAll("main").length !== 1) bad.push("main");
  if (!document.documentElement.lang || !document.title) bad.push("lang, title");
  return bad;
}
"""

OVERFLOWING = r"""
() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll")).slice(0, 5).map((one) => one.outerHTML.slice(0, 120))
"""

SMALL_TARGETS = r"""
() => [...document.querySelectorAll("button, .btn, .copy, select, .cell, input:not([hidden])")].filter((one) => one.getClientRects().length && !one.closest(".vh"))
  .filter((one) => { const box = one.getBoundingClientRect(); return Math.min(box.width, box.height) < 20; }).map((one) => one.outerHTML.slice(0, 120))
"""

ALL = (
    "() => ["
    + ", ".join(f"...({one})()" for one in (OVERFLOWING, CONTRASTS, NAMELESS, OUTLINE, SMALL_TARGETS))
    + "]"
)
"""Everything that is wrong with a page's looks."""
