() => {
  const faults = [], seen = (node) => node.checkVisibility() && node.getClientRects().length;
  // By the width of what is written: the browser puts dots where a sixtieth of a pixel is missing.
  const isCut = (cell) => {
    const look = getComputedStyle(cell), room = cell.getBoundingClientRect(), written = document.createRange();
    if (look.display === 'inline') return false;
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      written.selectNode(texts.currentNode);
      for (const box of written.getClientRects()) if (box.width > room.width - parseFloat(look.paddingLeft) - parseFloat(look.paddingRight) + 0.01) return true;
    }
    return false;
  };
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
  if (document.documentElement.scrollHeight > innerHeight) faults.push('the page scrolls');
  for (const cell of document.querySelectorAll('main td.n, .half td, #big, #mid, header b, #watch td'))
    if (seen(cell) && cell.textContent && isCut(cell) && !cell.querySelector('svg'))
      faults.push(`cut: ${cell.closest('section, header')?.id} ${cell.textContent}`);
  for (const cell of document.querySelectorAll('main :is(th, td):not(#chart-box *)'))
    if (seen(cell) && cell.textContent && !cell.title && isCut(cell))
      faults.push(`cut, and no title tells it: ${cell.closest('section').id} ${cell.textContent}`);
  for (const line of document.querySelectorAll('h1, h2, header button, .title button, #meters > *, #intervals, #state'))
    if (seen(line) && line.getBoundingClientRect().height > 46) faults.push(`wrapped: ${line.id || line.textContent}`);
  for (const meter of document.querySelectorAll('#meters > *')) {
    const box = meter.getBoundingClientRect(), room = meter.parentNode.getBoundingClientRect();
    if (seen(meter) && box.top < room.bottom - 1 && box.left < room.left - 1) faults.push(`a figure of the header is cut: ${meter.textContent}`);
  }
  for (const one of document.querySelectorAll('.title > *, .title button')) {
    const panel = one.closest('.panel').getBoundingClientRect();
    if (seen(one) && one.getBoundingClientRect().right > panel.right + 1) faults.push(`a title is cut: ${one.id || one.textContent}`);
  }
  const main = document.querySelector('main').getBoundingClientRect();
  if (main.height && Math.abs(main.bottom - innerHeight) > 1) faults.push(`the desk ends at ${main.bottom} of ${innerHeight}`);
  const panels = [...document.querySelectorAll('main > section')].filter(seen).map((one) => [one.id, one.getBoundingClientRect()]);
  for (const [a, one] of panels) {
    if (one.right > innerWidth + 1 || one.bottom > innerHeight + 1) faults.push(`${a} leaves the screen`);
    for (const [b, two] of panels)
      if (a < b && one.left < two.right - 1 && two.left < one.right - 1 && one.top < two.bottom - 1 && two.top < one.bottom - 1) faults.push(`${a} over ${b}`);
  }
  const head = [...document.querySelectorAll('header > *')].filter(seen).map((one) => one.getBoundingClientRect());
  if (head.some((box) => box.right > innerWidth + 1)) faults.push('the header is cut');
  return faults;
}
