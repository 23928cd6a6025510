// Navigates between pages without a reload; sorts, searches and filters the table in the browser.
// The server sends HTML in which all untrusted text is escaped; here it is only inserted.
const root = element.querySelector('.rb');
const all = (selector) => [...root.querySelectorAll(selector)];
let lastRequest = 0;
const base = new URL('.', location.href).href;

async function show(address, push) {
  const request = ++lastRequest;
  root.setAttribute('aria-busy', 'true');
  let html;
  try {
    html = await server.see(address);
  } catch (error) {
    html = '<p class="rb-note" role="alert">The server did not respond. Reload the page.</p>';
  }
  if (request !== lastRequest) return;
  if (push) history.pushState(null, '', address);
  root.innerHTML = html;
  document.getElementById('rb-first')?.remove();
  arrive(address, push);
  if (root.querySelector('.rb-pages')) await addRows(request);
}

// Adds the rows of a table that is too large for one page, so that sorting and filters apply to all of them.
async function addRows(request) {
  for (const side of ['next', 'prev']) {
    for (let link; (link = root.querySelector(`.rb-pages a[rel=${side}]`)); ) {
      const html = await server.see(link.getAttribute('href')).catch(() => '');
      if (request !== lastRequest) return;
      const part = new DOMParser().parseFromString(html, 'text/html');
      if (!part.querySelector('.rb-table')) return;  // the link is still there
      addPart(part, side);
      const following = part.querySelector(`.rb-pages a[rel=${side}]`);
      if (following) link.replaceWith(following);
      else link.remove();
    }
  }
  root.querySelector('.rb-pages').remove();
  const head = root.querySelector('.rb-table th[aria-sort]');
  if (head) sort(head.dataset.name, head.getAttribute('aria-sort') === 'ascending');
  const picked = new URLSearchParams(location.search).getAll('m');
  if (picked.length) pick(picked.slice(0, MOST_COMPARED));
  filter();
}

// Inserts the groups of a page after or before those that are there; a group in both gets the rows of both.
function addPart(part, side) {
  const table = root.querySelector('.rb-table');
  const bodies = [...part.querySelectorAll('.rb-table tbody')];
  for (const body of side === 'next' ? bodies : bodies.reverse()) {
    const group = table.querySelector(`tbody[data-group="${body.dataset.group}"]`);
    const lines = [...body.rows].filter((row) => !row.matches('.rb-group'));
    if (!group && side === 'next') table.append(body);
    else if (!group) table.tHead.after(body);
    else if (side === 'next') group.append(...lines);
    else if (group.querySelector('.rb-group')) group.querySelector('.rb-group').after(...lines);
    else group.prepend(...lines);
  }
}

// Uses the page that is in the HTML already, if it is complete: nothing is requested or drawn again.
function begin() {
  const first = document.getElementById('rb-first');
  const address = location.search + location.hash;
  const depends = ['submit', 'queue'].includes(new URLSearchParams(location.search).get('view')); // on the visitor
  if (!first || depends || first.querySelector('.rb-table:not([data-complete])')) return show(address, false);
  root.append(...first.childNodes);
  first.remove();
  return arrive(address, false);
}

function arrive(address, push) {
  for (const place of all('[data-base]')) place.textContent = place.textContent.replaceAll('{base}', base);
  const query = new URLSearchParams(address.split('#')[0]);
  showAll = query.has('row');
  opened = new Set();
  added = '';
  root.removeAttribute('aria-busy');
  const upload = document.getElementById('rb-submit');
  if (upload) upload.style.display = query.get('view') === 'submit' ? 'flex' : 'none';
  document.title = (root.querySelector('h1')?.textContent || 'rewardbench') + ' · rewardbench';
  if (root.querySelector('.rb-table')) restore(query);
  for (const link of all('.rb-sign-in')) if (top !== window) link.target = '_blank';  // the Hub cannot be framed
  const anchor = address.split('#')[1];
  const target = anchor ? document.getElementById(anchor) : root.querySelector('tr.chosen');
  if (target) target.scrollIntoView({ block: anchor ? 'start' : 'center' });
  else if (push) { scrollTo(0, 0); root.querySelector('main')?.focus({ preventScroll: true }); }
  syncSpace();
}

// A Space shows the page in a frame: the address bar is that of its parent.
function syncSpace() {
  const address = { queryString: location.search.slice(1), hash: location.hash };
  if (parent !== window) parent.postMessage(address, 'https://huggingface.co');
}

// Only the first rows of a long table are laid out until the visitor asks for all.
const FIRST = 100;
let showAll = false;
let opened = new Set();
let added = '';

const rows = () => all('.rb-table tr[data-key]');
const heads = () => all('.rb-table thead th');
const named = (name) => heads().find((head) => head.dataset.name === name);
const value = (cell) => cell.dataset.v ?? cell.textContent;
const texts = new WeakMap();

// Returns the text that the search box matches: the cells without numbers.
function textOf(row) {
  if (!texts.has(row)) {
    const cells = heads().filter((head) => !head.classList.contains('num')).map((head) => row.children[head.cellIndex]);
    texts.set(row, cells.map((cell) => cell.textContent).join(' ').toLowerCase());
  }
  return texts.get(row);
}

function sort(name, up) {
  const head = named(name);
  if (!head) return;
  const numeric = head.classList.contains('num');
  for (const body of all('.rb-table tbody')) sortBody(body, head.cellIndex, numeric, up);
  filter();
  for (const other of heads()) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  const order = root.querySelector('[data-order]');
  if (order) order.value = name;
}

// Sorts the rows of a group, with the line of chance among them; members of a run follow the row that stands for it.
function sortBody(body, column, numeric, up) {
  const lines = [...body.rows].filter((row) => !row.matches('.rb-group, [data-run]'));
  const keyed = lines.map((row, n) => {
    const text = value(row.children[column]).trim();
    return [numeric ? parseFloat(text) : text.toLowerCase(), n, row];
  });
  const missing = (x) => Number.isNaN(x) || x === '';
  keyed.sort(([a, i], [b, j]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
    const order = a < b ? -1 : a > b ? 1 : 0;
    return (up ? order : -order) || i - j;
  });
  const members = {};
  for (const row of body.querySelectorAll('[data-run]')) (members[row.dataset.run] ??= []).push(row);
  for (const [key, , row] of keyed) {
    body.append(row, ...(members[row.dataset.key] || []));
    if (row.matches('.rb-chance')) row.hidden = !numeric || missing(key);
  }
}

function filter() {
  const words = (root.querySelector('[data-search]')?.value || '').toLowerCase().split(/\s+/).filter(Boolean);
  const filters = {};
  for (const box of all('[data-filter]:checked')) (filters[box.dataset.filter] ??= new Set()).add(box.value);
  const asked = words.length + Object.keys(filters).length > 0;
  let count = 0;
  let total = 0;
  const most = showAll ? Infinity : FIRST;
  for (const body of all('.rb-table tbody')) {
    const fold = body.querySelector('[data-fold]');
    const closed = fold && !asked && fold.getAttribute('aria-expanded') !== 'true';
    let inGroup = 0;
    for (const row of body.querySelectorAll('tr[data-key]')) {
      const on = words.every((word) => textOf(row).includes(word))
        && Object.entries(filters).every(([name, values]) => values.has(row.dataset[name]));
      const inside = row.dataset.run && !asked && !opened.has(row.dataset.run);
      const counts = on && !closed && !inside;
      if (!closed || asked) total += 1;
      count += counts;
      inGroup += counts;
      row.classList.toggle('out', !on);
      const seen = (counts && count <= most) || (row.matches('.chosen') && on);
      if (row.hidden === seen) row.hidden = !seen;
    }
    const heading = body.querySelector('.rb-group');
    if (heading) heading.hidden = inGroup === 0 && !closed;
  }
  const more = root.querySelector('[data-more]');
  more.hidden = count <= most;
  more.textContent = `Show all ${count}`;
  const models = `${asked ? `${count} of ${total}` : count} model${count === 1 && !asked ? '' : 's'}`;
  root.querySelector('.rb-count').textContent = models + (added ? `; ${added}` : '');
}

// Columns are hidden by one style sheet, so that 1,000 rows need no change.
function hideColumns() {
  const rules = heads().filter((head) => head.hasAttribute('data-off')).map((head) =>
    `.rb-table tr > :nth-child(${head.cellIndex + 1}):not([colspan]) { display: none; }`);
  root.querySelector('style[data-hidden]').textContent = rules.join('\n');
}

function chooseColumns(visible) {
  for (const box of all('[data-column]')) {
    box.checked = visible(box);
    named(box.dataset.column).toggleAttribute('data-off', !box.checked);
  }
  hideColumns();
}

// Leads to the comparison of the models that are ticked, of which there are at most five; the address keeps them.
const MOST_COMPARED = 5;
function pick(picked) {
  const boxes = all('[data-pick]');
  if (picked) for (const box of boxes) box.checked = picked.includes(box.closest('tr').dataset.key);
  const keys = boxes.filter((box) => box.checked).map((box) => box.closest('tr').dataset.key);
  for (const box of boxes) box.disabled = !box.checked && keys.length >= MOST_COMPARED;
  const query = new URLSearchParams({ view: 'compare', suite: root.querySelector('.rb-table').dataset.suite });
  for (const key of keys) query.append('m', key);
  const link = root.querySelector('.rb-compare');
  link.hidden = !keys.length;
  link.href = '?' + query;
  link.textContent = keys.length > 1 ? `Compare ${keys.length} models` : 'Compare with another model';
  const kept = new URLSearchParams(location.search);
  kept.delete('m');
  for (const key of keys) kept.append('m', key);
  history.replaceState(null, '', '?' + kept + location.hash);
  syncSpace();
}

// Keeps search, filters, columns and sort order in the address, by name, so that reloads and links preserve them.
function remember() {
  const query = new URLSearchParams(location.search);
  const set = (name, text) => (text ? query.set(name, text) : query.delete(name));
  set('q', root.querySelector('[data-search]')?.value);
  for (const name of new Set(all('[data-filter]').map((box) => box.dataset.filter)))
    set(name, all(`[data-filter="${name}"]:checked`).map((box) => box.value).join('|'));
  const head = root.querySelector('.rb-table th[aria-sort]');
  set('sort', head ? (head.getAttribute('aria-sort') === 'ascending' ? '' : '-') + head.dataset.name : '');
  const boxes = all('[data-column]');
  const changed = boxes.some((box) => box.checked !== box.defaultChecked);
  set('columns', changed ? boxes.filter((box) => box.checked).map((box) => box.dataset.column).join('|') || 'none' : '');
  history.replaceState(null, '', '?' + query + location.hash);
  syncSpace();
}

function restore(query) {
  const search = root.querySelector('[data-search]');
  if (search) search.value = query.get('q') || '';
  for (const box of all('[data-filter]'))
    box.checked = (query.get(box.dataset.filter) || '').split('|').includes(box.value);
  const columns = query.get('columns');
  if (columns) chooseColumns((box) => columns.split('|').includes(box.dataset.column));
  const order = query.get('sort') || window.rbClicked;
  if (order) sort(order.replace(/^-/, ''), order[0] !== '-');
  if (window.rbClicked) remember();
  delete window.rbClicked;
  if (query.get('subsets') === '1') showSubsets();
  const picked = query.getAll('m');
  if (picked.length) pick(picked.slice(0, MOST_COMPARED));
  filter();
}

// Scrolls to the columns that were added at the right, and says how many there are.
function showSubsets() {
  const columns = heads().filter((head) => head.querySelector('button').title.startsWith('Subset '));
  if (!columns.length) return;
  added = `${columns.length} subset columns added at the right`;
  const board = root.querySelector('.rb-board');
  const name = heads()[1].offsetWidth + heads()[0].offsetWidth;
  board.scrollLeft = columns[0].offsetLeft - name;
}

async function exported(kind) {
  const names = heads().filter((head) => !head.hasAttribute('data-off')).map((head) => head.dataset.name);
  const keys = rows().filter((row) => !row.classList.contains('out')).map((row) => row.dataset.key);
  const { suite, scale } = root.querySelector('.rb-table').dataset;
  const text = (await server.copy({ kind, suite, scale, keys, names })).replaceAll('{base}', base);
  root.dataset.copied = text;
  return text;
}

async function copy(button) {
  const text = await exported(button.dataset.copy);
  report(button, (await copyText(text)) ? 'Copied' : 'Blocked by browser');
}

// Copies text, over plain http from a selection, since the clipboard needs https.
async function copyText(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not available */ }
  const area = document.createElement('textarea');
  area.value = text;
  area.style.cssText = 'position: fixed; opacity: 0';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

function report(button, status) {
  const words = button.textContent;
  button.textContent = status;
  setTimeout(() => { button.textContent = words; }, 1500);
}

// Copies the text above a button, or selects it for the visitor to copy.
async function copyAbove(button) {
  const text = button.parentElement.previousElementSibling;
  const copied = await copyText(text.textContent);
  if (!copied) getSelection().selectAllChildren(text);
  report(button, copied ? 'Copied' : 'Selected: press Ctrl+C');
  button.focus();
}

async function download(kind) {
  const text = await exported(kind);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const ending = { CSV: 'csv', LaTeX: 'tex', BibTeX: 'bib' }[kind];
  link.download = `rewardbench-${root.querySelector('.rb-table').dataset.suite}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Links that change what the table shows keep search, filters, columns and order.
function kept(link) {
  const query = new URLSearchParams(location.search);
  for (const name of ['scale', 'subsets']) {
    if (!(name in link.dataset)) continue;
    if (link.dataset[name]) query.set(name, link.dataset[name]);
    else query.delete(name);
    if (name === 'scale' && /^-?(Score|Turn|Above chance)$/.test(query.get('sort'))) query.delete('sort');
  }
  return '?' + query;
}

function toggle(button, open) {
  button.setAttribute('aria-expanded', String(open));
  filter();
}

root.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  const to = link?.getAttribute('href');
  if (to?.startsWith('?') && plain) {
    event.preventDefault();
    show(link.matches('[data-scale], [data-subsets]') ? kept(link) : to, true);
    return;
  }
  const button = event.target.closest('button');
  const head = event.target.closest('.rb-table thead button')?.parentElement;
  if (head) {
    const first = !head.classList.contains('num') || head.dataset.name === 'Rank';
    sort(head.dataset.name, head.hasAttribute('aria-sort') ? head.getAttribute('aria-sort') !== 'ascending' : first);
    remember();
  }
  if (button?.matches('[data-fold]')) toggle(button, button.getAttribute('aria-expanded') !== 'true');
  if (button?.dataset.runOf) {
    const key = button.dataset.runOf;
    const open = !opened.delete(key);
    if (open) opened.add(key);
    toggle(button, open);
  }
  if (button?.matches('[data-more]')) { showAll = true; filter(); }
  if (button?.dataset.copy) copy(button);
  if (button?.matches('[data-copy-text]')) copyAbove(button);
  if (button?.dataset.download) download(button.dataset.download);
  if (!link && !button && !event.target.matches('input')) event.target.closest('.rb-table tr[data-key] > th')?.classList.toggle('open');
});
root.addEventListener('input', (event) => {
  if (event.target.matches('[data-search], [data-filter]')) { filter(); remember(); }
  if (event.target.matches('[data-pick]')) pick();
  if (event.target.matches('[data-column]')) { chooseColumns((box) => box.checked); remember(); }
});
root.addEventListener('change', (event) => {
  if (event.target.matches('[data-order]')) {
    const { classList, dataset } = named(event.target.value);
    sort(dataset.name, !classList.contains('num') || dataset.name === 'Rank');
    remember();
  }
  const choice = event.target.closest('[data-go]');
  if (!choice) return;
  const query = new URLSearchParams(choice.dataset.go.slice(1));
  query.set(choice.dataset.name, choice.value);
  show('?' + query, true);
});
root.addEventListener('submit', (event) => {
  if (!event.target.dataset.form) return;  // the sign-out, which the server answers
  event.preventDefault();
  const [address, anchor] = event.target.dataset.form.split('#');
  const query = new URLSearchParams(address.slice(1));
  const fields = [...new FormData(event.target)];
  for (const [name] of fields) query.delete(name);
  for (const [name, text] of fields) if (text) query.append(name, text);
  show('?' + query + (anchor ? '#' + anchor : ''), true);
});

// The name of a point of a chart is shown next to it while the point has the focus or the pointer.
function label(event) {
  const point = event.target.closest?.('.rb-chart a');
  if (!point) return;
  const tip = point.ownerSVGElement.querySelector('.tip');
  const { x, y, width } = point.querySelector('.mark').getBBox();
  const { e, f } = point.querySelector('.mark').transform.baseVal.consolidate()?.matrix ?? { e: 0, f: 0 };
  const left = x + e + width / 2 > 400;
  tip.textContent = point.getAttribute('aria-label');
  tip.setAttribute('text-anchor', left ? 'end' : 'start');
  tip.setAttribute('x', x + e + (left ? -6 : width + 6));
  tip.setAttribute('y', y + f - 6);
}
for (const name of ['pointerover', 'focusin']) root.addEventListener(name, label);

const closePanels = (except) => all('.rb-tools details[open]').forEach((panel) => { if (panel !== except) panel.open = false; });
addEventListener('keydown', (event) => { if (event.key === 'Escape') closePanels(); });
addEventListener('click', (event) => closePanels(event.target.closest?.('.rb-tools details')));
addEventListener('popstate', () => show(location.search + location.hash, false));
begin();
