() => {
  const faults = [], seen = (node) => node.checkVisibility() && node.getClientRects().length;
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
  if (document.documentElement.scrollHeight > innerHeight) faults.push('the page scrolls');
  for (const cell of document.querySelectorAll('main td.n, .half td, #big, #mid, header b, #watch td'))
    if (seen(cell) && cell.textContent && cell.scrollWidth > cell.clientWidth + 1 && !cell.querySelector('svg') && getComputedStyle(cell).display !== 'inline')
      faults.push(`cut: ${cell.closest('section, header')?.id} ${cell.textContent}`);
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
