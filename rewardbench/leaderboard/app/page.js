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
  for (const place of all('[data-base]')) place.textContent = place.textContent.replaceAll('{base}', base);
  document.getElementById('rb-first')?.remove();
  showAll = new URLSearchParams(address).has('row');
  root.removeAttribute('aria-busy');
  const query = new URLSearchParams(address.split('#')[0]);
  const upload = document.getElementById('rb-submit');
  if (upload) upload.style.display = query.get('view') === 'submit' ? 'flex' : 'none';
  document.title = (root.querySelector('h1')?.textContent || 'rewardbench') + ' · rewardbench';
  if (root.querySelector('.rb-table')) restore(query);
  const anchor = address.split('#')[1];
  const target = anchor ? document.getElementById(anchor) : root.querySelector('tr.chosen');
  if (target) target.scrollIntoView({ block: anchor ? 'start' : 'center' });
  else if (push) { scrollTo(0, 0); root.querySelector('main')?.focus({ preventScroll: true }); }
}

// Only the first rows of a long table are laid out until the visitor asks for all.
const FIRST = 100;
let showAll = false;

const rows = () => all('.rb-table tbody tr');
const value = (cell) => cell.dataset.v ?? cell.textContent;

function sort(column, up) {
  const body = root.querySelector('.rb-table tbody');
  const numeric = root.querySelector(`th[data-c="${column}"]`).classList.contains('num');
  const keyed = rows().map((row, n) => {
    const text = value(row.children[column]).trim();
    return [numeric ? parseFloat(text) : text.toLowerCase(), n, row];
  });
  const missing = (x) => Number.isNaN(x) || x === '';
  keyed.sort(([a, i], [b, j]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
    const order = a < b ? -1 : a > b ? 1 : 0;
    return (up ? order : -order) || i - j;
  });
  body.append(...keyed.map((entry) => entry[2]));
  filter();
  for (const head of all('.rb-table th')) {
    if (head.dataset.c == column) head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    else head.removeAttribute('aria-sort');
  }
}

function filter() {
  const words = (root.querySelector('[data-search]')?.value || '').toLowerCase().split(/\s+/).filter(Boolean);
  const filters = {};
  for (const box of all('[data-filter]:checked')) (filters[box.dataset.filter] ??= new Set()).add(box.value);
  let count = 0;
  const lines = rows();
  const most = showAll ? Infinity : FIRST;
  for (const row of lines) {
    const on = words.every((word) => row.dataset.text.includes(word))
      && Object.entries(filters).every(([name, values]) => values.has(row.dataset[name]));
    count += on;
    row.classList.toggle('out', !on);
    const seen = on && count <= most;
    if (row.hidden === seen) row.hidden = !seen;
  }
  const more = root.querySelector('[data-more]');
  more.hidden = count <= most;
  more.textContent = `Show all ${count}`;
  root.querySelector('.rb-count').textContent =
    count === lines.length ? `${count} models` : `${count} of ${lines.length} models`;
}

function columns(box) {
  for (const cell of all(`.rb-table [data-c="${box.dataset.column}"]`)) cell.hidden = !box.checked;
}

// Keeps search, filters and sort order in the address, so that reloads and links preserve them.
function remember() {
  const query = new URLSearchParams(location.search);
  const set = (name, text) => (text ? query.set(name, text) : query.delete(name));
  set('q', root.querySelector('[data-search]')?.value);
  for (const name of ['kind', 'size', 'badge'])
    set(name, all(`[data-filter="${name}"]:checked`).map((box) => box.value).join('|'));
  const head = root.querySelector('.rb-table th[aria-sort]');
  set('sort', head ? (head.getAttribute('aria-sort') === 'ascending' ? '' : '-') + head.dataset.c : '');
  history.replaceState(null, '', '?' + query);
}

function restore(query) {
  const search = root.querySelector('[data-search]');
  if (search) search.value = query.get('q') || '';
  for (const box of all('[data-filter]'))
    box.checked = (query.get(box.dataset.filter) || '').split('|').includes(box.value);
  const order = query.get('sort');
  if (/^-?\d+$/.test(order || '') && root.querySelector(`th[data-c="${order.replace('-', '')}"]`))
    sort(order.replace('-', ''), order[0] !== '-');
  filter();
}

async function copy(button) {
  const shown = all('.rb-table th:not([hidden])').map((head) => head.dataset.name);
  const keys = rows().filter((row) => !row.classList.contains('out')).map((row) => row.dataset.key);
  const { suite } = root.querySelector('.rb-table').dataset;
  const text = (await server.copy({ kind: button.dataset.copy, suite, keys, names: shown })).replaceAll('{base}', base);
  report(button, (await copyText(text)) ? 'Copied' : 'Blocked by browser');
  root.dataset.copied = text;
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

root.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  const to = link?.getAttribute('href');
  if (to?.startsWith('?') && plain) {
    event.preventDefault();
    show(to, true);
    return;
  }
  const head = event.target.closest('.rb-table th button')?.parentElement;
  if (head) {
    const first = !head.classList.contains('num') || head.dataset.name === 'Rank';
    sort(head.dataset.c, head.hasAttribute('aria-sort') ? head.getAttribute('aria-sort') !== 'ascending' : first);
    remember();
  }
  if (event.target.closest('[data-more]')) { showAll = true; filter(); }
  const button = event.target.closest('[data-copy]');
  if (button) copy(button);
  const copier = event.target.closest('[data-copy-text]');
  if (copier) copyAbove(copier);
});
root.addEventListener('input', (event) => {
  if (event.target.matches('[data-search], [data-filter]')) { filter(); remember(); }
  if (event.target.matches('[data-column]')) columns(event.target);
});
root.addEventListener('change', (event) => {
  const choice = event.target.closest('[data-go]');
  if (!choice) return;
  const query = new URLSearchParams(choice.dataset.go.slice(1));
  query.set(choice.dataset.name, choice.value);
  show('?' + query, true);
});
root.addEventListener('submit', (event) => {
  event.preventDefault();
  const [address, anchor] = event.target.dataset.form.split('#');
  const query = new URLSearchParams(address.slice(1));
  for (const [name, text] of new FormData(event.target)) if (text) query.set(name, text);
  show('?' + query + (anchor ? '#' + anchor : ''), true);
});
const closePanels = (except) => all('.rb-tools details[open]').forEach((panel) => { if (panel !== except) panel.open = false; });
addEventListener('keydown', (event) => { if (event.key === 'Escape') closePanels(); });
addEventListener('click', (event) => closePanels(event.target.closest?.('.rb-tools details')));
addEventListener('popstate', () => show(location.search + location.hash, false));
show(location.search + location.hash, false);
