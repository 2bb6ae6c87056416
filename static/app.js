// The console's own script. Everything it does is a comfort: each page works without it.
// What a page says to it stands in attributes, so that texts come from the catalogue:
//   body[data-say-copied]            said after a copy
//   body[data-keys="off"]            no single-key shortcuts
//   button[data-copy="text"]         copies the text
//   button[data-theme-toggle]        light or dark, kept in the cookie "theme"
//   details.menu                     closes on Escape and on a click outside
//   [data-search], main [type=search]  gets the focus on "/"
//   input[data-confirm="text"][data-for="id"]  the button with that id works once the text is typed
//   form[data-repeat]                may be sent again (a download); other POST forms are sent once
//   button[data-then="id id"]        the page it leads to begins with the first of these that is seen
//   input[name=host], input[data-tick-all]     selection; [data-ticked] shows its size,
//   [data-when-ticked]               is shown only while something is ticked
//   [data-say="text"] with an id     said when a swap has changed the text
(() => {
  'use strict';
  const root = document.documentElement;
  const body = document.body;
  const year = 60 * 60 * 24 * 365;

  const setCookie = (name, value) => {
    const secure = location.protocol === 'https:' ? '; secure' : '';
    document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${year}; samesite=lax${secure}`;
  };

  const hasCookie = (name, value) => document.cookie.split('; ').includes(`${name}=${encodeURIComponent(value)}`);

  // Announcements: one polite region for the page.
  let live = document.getElementById('live');
  if (!live) {
    live = document.createElement('div');
    live.id = 'live';
    live.className = 'visually-hidden';
    live.setAttribute('role', 'status');
    body.append(live);
  }
  const say = (text) => { if (text) live.textContent = text; };

  const said = new Map();
  const news = () => [...document.querySelectorAll('[data-say]')].filter((el) => {
    const changed = said.get(el.id) !== el.dataset.say;
    said.set(el.id, el.dataset.say);
    return changed;
  }).map((el) => el.dataset.say).join(' ');
  news(); // what the page came with is read anyway
  // A swap that takes the focused link away (paging, sorting) must not throw the
  // reader back to the top of the page: the part that was swapped gets the focus.
  let part = '';
  document.addEventListener('htmx:before:swap', () => {
    part = document.activeElement?.parentElement?.closest('section[id], form[id], div[id]')?.id || '';
  });
  const keepFocus = () => {
    const swapped = document.activeElement === body && part && document.getElementById(part);
    if (!swapped) return;
    swapped.tabIndex = -1;
    swapped.focus({ preventScroll: true });
  };

  // A request that gets no answer at all (the console restarts, the network is
  // away) would otherwise leave an old page looking alive.
  const offline = (gone) => {
    const box = document.getElementById('offline');
    if (!box || box.hidden !== gone) return;
    box.hidden = !gone;
    if (gone) say(box.innerText.trim());
  };
  document.addEventListener('htmx:error', () => offline(true));
  document.addEventListener('htmx:before:response', () => offline(false));

  document.addEventListener('htmx:after:swap', () => {
    keepFocus();
    say(news());
    showTicks();
  });

  // The zone of the reader, so that the server writes local times.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !hasCookie('tz', zone)) setCookie('tz', zone);

  const toggleTheme = () => {
    const dark = root.dataset.bsTheme
      ? root.dataset.bsTheme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.bsTheme = dark ? 'light' : 'dark';
    setCookie('theme', root.dataset.bsTheme);
  };

  // Without a secure context there is no clipboard; a hidden field still copies.
  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'visually-hidden';
    const back = document.activeElement;
    body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
    back?.focus();
  };

  const closeMenus = (keep) => document.querySelectorAll('details.menu[open]').forEach((menu) => {
    if (!keep || !menu.contains(keep)) menu.open = false;
  });

  // Selection.
  const boxes = () => [...document.querySelectorAll('input[name=host][type=checkbox]:not(:disabled)')];
  let lastTicked = null;

  const showTicks = () => {
    const all = boxes();
    const ticked = all.filter((box) => box.checked).length;
    all.forEach((box) => box.closest('tr')?.classList.toggle('sel', box.checked));
    document.querySelectorAll('input[data-tick-all]').forEach((box) => {
      box.checked = all.length > 0 && ticked === all.length;
      box.indeterminate = ticked > 0 && ticked < all.length;
    });
    const count = new Intl.NumberFormat(root.lang || 'en').format(ticked);
    document.querySelectorAll('[data-ticked]').forEach((el) => { el.textContent = count; });
    document.querySelectorAll('[data-when-ticked]').forEach((el) => { el.hidden = ticked === 0; });
  };

  const tickRange = (from, to, checked) => {
    const all = boxes();
    const [a, b] = [all.indexOf(from), all.indexOf(to)].sort((x, y) => x - y);
    if (a >= 0) all.slice(a, b + 1).forEach((box) => { box.checked = checked; });
  };

  const ticked = (box, shift) => {
    if (shift && lastTicked && lastTicked !== box) tickRange(lastTicked, box, box.checked);
    lastTicked = box;
    showTicks();
  };

  // Rows: J and K move, X ticks, Shift X ticks from the last one.
  const rows = () => [...document.querySelectorAll('table.dt > tbody > tr')];
  const moveRow = (step) => {
    const all = rows();
    if (all.length === 0) return;
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
    const target = next.querySelector('input[name=host]:not(:disabled)') || next.querySelector('a[href], button');
    target?.focus();
    next.scrollIntoView({ block: 'nearest' });
  };
  const tickRow = (shift) => {
    const box = document.activeElement?.closest('tr')?.querySelector('input[name=host]:not(:disabled)');
    if (!box) return;
    box.checked = !box.checked;
    ticked(box, shift);
    box.dispatchEvent(new Event('change', { bubbles: true }));
  };

  const disabled = (button) => button?.getAttribute('aria-disabled') === 'true';

  document.addEventListener('click', (e) => {
    const pressed = e.target.closest('button, a, input');
    if (pressed && disabled(pressed)) { e.preventDefault(); return; }
    const source = e.target.closest('[data-copy]');
    if (source) copy(source.dataset.copy).then(() => say(body.dataset.sayCopied || 'Copied'), () => {});
    if (e.target.closest('[data-theme-toggle]')) toggleTheme();
    if (e.target.matches('input[name=host]')) ticked(e.target, e.shiftKey);
    if (e.target.matches('input[data-tick-all]')) {
      boxes().forEach((box) => { box.checked = e.target.checked; });
      showTicks();
    }
    closeMenus(e.target);
  });

  const typing = (el) => el.isContentEditable || /^(TEXTAREA|SELECT)$/.test(el.tagName)
    || (el.tagName === 'INPUT' && !/^(checkbox|radio|button|submit|reset)$/.test(el.type));

  document.addEventListener('keydown', (e) => {
    if (e.key === 'Escape') {
      const menu = document.querySelector('details.menu[open]');
      if (menu) { menu.open = false; menu.querySelector('summary')?.focus(); }
      return;
    }
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && e.target.form) {
      const submitter = e.target.form.querySelector('button:not([type=button]):not([formaction])');
      if (submitter && !disabled(submitter)) { e.preventDefault(); e.target.form.requestSubmit(submitter); }
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || body.dataset.keys === 'off') return;
    const act = {
      '/': () => {
        const field = document.querySelector('[data-search], main [type=search]');
        if (field) { e.preventDefault(); field.focus(); field.select?.(); }
      },
      j: () => moveRow(1),
      k: () => moveRow(-1),
      x: () => tickRow(e.shiftKey),
    }[e.key.toLowerCase()];
    act?.();
  });

  // Typed confirmation. The server checks the text as well.
  const checkConfirm = (input) => {
    const button = document.getElementById(input.dataset.for);
    button?.setAttribute('aria-disabled', String(input.value.trim() !== input.dataset.confirm));
  };
  document.addEventListener('input', (e) => { if (e.target.matches('[data-confirm]')) checkConfirm(e.target); });

  // A POST form is sent once. The mark goes when the reader comes back to the page.
  document.addEventListener('submit', (e) => {
    const form = e.target;
    if (e.defaultPrevented || form.method !== 'post' || 'repeat' in form.dataset) return;
    if (form.getAttribute('aria-busy') === 'true' || disabled(e.submitter)) { e.preventDefault(); return; }
    form.setAttribute('aria-busy', 'true');
    e.submitter?.setAttribute('aria-busy', 'true');
    if (e.submitter?.dataset.then) sessionStorage.setItem('then', e.submitter.dataset.then);
  });
  // Selecting loads the list anew, which would throw a reader with a keyboard back
  // to its top, a hundred stops away from what can be done with the selection.
  const begin = () => {
    const ids = sessionStorage.getItem('then');
    if (!ids) return;
    sessionStorage.removeItem('then');
    const part = ids.split(' ').map((id) => document.getElementById(id)).find((el) => el?.getClientRects().length);
    if (!part) return;
    part.tabIndex = -1;
    part.focus({ preventScroll: true });
  };
  addEventListener('pageshow', () => {
    document.querySelectorAll('form[aria-busy], form [aria-busy]').forEach((el) => el.removeAttribute('aria-busy'));
    document.querySelectorAll('[data-confirm]').forEach(checkConfirm);
    showTicks();
    begin();
  });
})();
