// Everything that can be told to be wrong with a page's looks without eyes: an array of texts.
() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const cut = (element) => element.outerHTML.slice(0, 120);
  const shown = (element) => element.getClientRects().length > 0 && !element.closest(".vh");

  // Wider than the screen, save what scrolls by itself.
  const overflowing = () =>
    document.documentElement.scrollWidth <= innerWidth
      ? []
      : all("body *")
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll"))
          .slice(0, 5)
          .map((one) => `too wide: ${cut(one)}`);

  // Every text against what lies behind it, by WCAG 2.2, 1.4.3; texts in pictures are not meant.
  const parse = (text) => {
    const n = text.match(/[\d.]+/g).map(Number);
    return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const ratio = (ink, under) => {
    const [a, b] = [light(over(ink, under)), light(under)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const contrasts = () => {
    const poor = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const text = walk.currentNode.data.trim();
      const element = walk.currentNode.parentElement;
      if (!text || !shown(element) || element.closest("svg, script, title")) continue;
      const under = behind(element);
      const found = ratio(parse(getComputedStyle(element).color), under);
      if (found < 4.5) poor.push(`contrast ${found.toFixed(2)}: ${text.slice(0, 40)} .${element.className}`);
    }
    return poor;
  };

  // Edges of controls, and the parts of pictures against their track, by 1.4.11.
  const faint = () => {
    const colour = (one, name) => parse(getComputedStyle(one)[name]);
    const edges = all("input[type=search], input[type=text], select, .btn")
      .filter(shown)
      .map((one) => [one, ratio(colour(one, "borderTopColor"), behind(one.parentElement))]);
    const parts = all("svg rect.track").flatMap((track) =>
      [...track.parentElement.querySelectorAll("rect")]
        .filter((one) => one !== track && getComputedStyle(one).fill.startsWith("rgb"))
        .map((one) => [one, ratio(colour(one, "fill"), colour(track, "fill"))]),
    );
    return [...edges, ...parts]
      .filter(([, found]) => found < 3)
      .map(([one, found]) => `faint ${found.toFixed(2)}: ${cut(one)}`);
  };

  // Controls, links, pictures and regions without a name; headers of tables without a direction.
  const named = (one, own) =>
    (one.getAttribute("aria-label") || (own && (one.textContent || one.title)) || "").trim() ||
    (one.getAttribute("aria-labelledby") || "")
      .split(" ")
      .some((id) => document.getElementById(id)?.textContent.trim());
  const nameless = () =>
    [
      ...all("a[href], button, summary").filter((one) => !named(one, true)),
      ...all("section, nav").filter((one) => !named(one, false)),
      ...all("input:not([type=hidden]), select").filter(
        (one) => !one.labels?.length && !one.getAttribute("aria-label"),
      ),
      ...all("svg").filter(
        (one) =>
          one.getAttribute("aria-hidden") !== "true" &&
          !(one.getAttribute("role") === "img" && one.getAttribute("aria-label")),
      ),
      ...all("th:not([scope])"),
    ].map((one) => `nameless: ${cut(one)}`);

  // One h1, no level of headings left out, one main, a language and a title.
  const outline = () => {
    const wrong = [];
    const levels = all("main h1, main h2, main h3, main h4").map((one) => Number(one.tagName[1]));
    levels.forEach((now, at) => {
      if (at && now > levels[at - 1] + 1) wrong.push(`h${now} after h${levels[at - 1]}`);
    });
    if (all("h1").length !== 1) wrong.push(`${all("h1").length} h1`);
    if (all("main").length !== 1) wrong.push("main");
    if (!document.documentElement.lang || !document.title) wrong.push("language or title");
    return wrong;
  };

  // What a finger cannot hit.
  const small = () =>
    all("button, .btn, select, .cell[href], input:not([hidden])")
      .filter(shown)
      .filter((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height) < 24)
      .map((one) => `small: ${cut(one)}`);

  return [...overflowing(), ...contrasts(), ...faint(), ...nameless(), ...outline(), ...small()];
}
