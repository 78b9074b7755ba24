// Every text of the page and every bar of its plots, with the contrast to what lies behind it (WCAG 2.2, 1.4.3 and 1.4.11).
(() => {
  const channels = colour => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const contrast = (one, two) => {
    const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = channels(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
      if (alpha > 0) throw new Error("a half-transparent background: nobody can say what contrast it makes");
    }
    return getComputedStyle(document.documentElement).colorScheme.includes("dark") &&
      matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || element.closest("svg, .hidden")) continue;
    found.push(["text", text.slice(0, 60), contrast(channels(getComputedStyle(element).color), behind(element))]);
  }
  for (const path of document.querySelectorAll("path"))
    found.push(["bar", path.getAttribute("class"), contrast(channels(getComputedStyle(path).fill), behind(path.parentElement))]);
  for (const key of document.querySelectorAll(".key"))
    found.push(["bar", key.className, contrast(channels(getComputedStyle(key).backgroundColor), behind(key.parentElement))]);
  return found;
})()
