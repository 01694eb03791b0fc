// What the pages do beyond being read: search, tabs, copying, and the address in snippets. All of it is extra.
(function () {
  'use strict';

  var body = document.body;

  function all(selector, within) {
    return Array.prototype.slice.call((within || document).querySelectorAll(selector));
  }

  function made(name, className, text) {
    var element = document.createElement(name);
    if (className) { element.className = className; }
    if (text) { element.textContent = text; }
    return element;
  }

  // Where no address is configured the mirror is where this page is.
  function tellAddress(placeholder) {
    var base = new URL(body.dataset.root, location.href).href.replace(/\/$/, '');
    var host = new URL(placeholder).host;
    all('.snippet code').forEach(function (code) {
      code.textContent = code.textContent.split(placeholder).join(base).split(host).join(location.host);
    });
    all('.by-hand').forEach(function (note) { note.remove(); });
    var plain = document.getElementById('plain');
    if (plain && location.protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(location.hostname)) {
      plain.querySelector('code').textContent = '--trusted-host ' + location.host;
      plain.hidden = false;
    }
  }

  // Only a web server finds the page of a folder by itself.
  function nameFiles() {
    all('a[href]').forEach(function (link) {
      if (link.protocol === 'file:' && /\/$/.test(link.pathname)) { link.pathname += 'index.html'; }
    });
  }

  var said = made('p', 'unseen');
  said.setAttribute('role', 'status');
  body.appendChild(said);

  function copied(text) {
    if (navigator.clipboard) { return navigator.clipboard.writeText(text); }
    var field = made('textarea', 'unseen');  // plain http has no other clipboard
    field.value = text;
    body.appendChild(field);
    field.select();
    var done = document.execCommand('copy');
    field.remove();
    return done ? Promise.resolve() : Promise.reject(new Error('not copied'));
  }

  function copyButton(place, before, code, what) {
    var button = made('button', 'copy', 'Copy');
    button.type = 'button';
    button.setAttribute('aria-label', 'Copy ' + what);
    button.addEventListener('click', function () {
      copied(code.textContent.trim()).then(function () {
        button.textContent = 'Copied';
        said.textContent = 'Copied ' + what;
      }, function () {
        getSelection().selectAllChildren(code);
        said.textContent = 'Selected ' + what + ': copy it by hand';
      }).then(function () {
        button.focus();
        setTimeout(function () { button.textContent = 'Copy'; said.textContent = ''; }, 2000);
      });
    });
    place.insertBefore(button, before);
  }

  function tabs(group) {
    var panels = all('.client', group), list = made('div', 'tabs'), buttons;
    list.setAttribute('role', 'tablist');
    list.setAttribute('aria-label', 'Installers');

    function show(chosen, focus) {
      panels.forEach(function (panel, place) {
        panel.hidden = place !== chosen;
        buttons[place].setAttribute('aria-selected', String(place === chosen));
        buttons[place].tabIndex = place === chosen ? 0 : -1;
      });
      if (focus) { buttons[chosen].focus(); }
    }

    buttons = panels.map(function (panel, place) {
      var heading = panel.querySelector('h3'), button = made('button', '', heading.textContent);
      button.type = 'button';
      button.id = 'tab-' + heading.id;
      panel.id = 'panel-' + heading.id;
      button.setAttribute('role', 'tab');
      button.setAttribute('aria-controls', panel.id);
      panel.setAttribute('role', 'tabpanel');
      panel.setAttribute('aria-labelledby', button.id);
      button.addEventListener('click', function () { show(place, false); });
      button.addEventListener('keydown', function (event) {
        var last = panels.length - 1;
        var next = {ArrowRight: place === last ? 0 : place + 1, ArrowLeft: place ? place - 1 : last,
                    Home: 0, End: last}[event.key];
        if (next !== undefined) { event.preventDefault(); show(next, true); }
      });
      list.appendChild(button);
      return button;
    });
    group.insertBefore(list, group.firstChild);
    group.classList.add('tabbed');
    show(0, false);
  }

  function search(form) {
    var field = form.querySelector('input'), hits = document.getElementById('hits');
    var list = document.getElementById('list'), items = all('#list > li'), found = items, texts = null, names = null;
    var none = made('li', 'none', 'No project has that in its name or summary.');
    none.hidden = true;
    list.appendChild(none);

    // Names are the same with -, _ and . in them (PEP 503).
    function plain(text) { return text.toLowerCase().replace(/[-_.]+/g, '-'); }

    // 0: the name begins with what is typed; 1: the name has it; 2: the summary has it.
    function rank(name, words) {
      if (!words.every(function (word) { return name.indexOf(word) >= 0; })) { return 2; }
      return words.length && name.indexOf(words[0]) === 0 ? 0 : 1;
    }

    function filter() {
      texts = texts || items.map(function (item) { return plain(item.textContent); });
      names = names || items.map(function (item) { return plain(item.querySelector('a').textContent); });
      var words = plain(field.value).split(/\s+/).filter(Boolean), ranked = [[], [], []];
      items.forEach(function (item, place) {
        var hit = words.every(function (word) { return texts[place].indexOf(word) >= 0; });
        if (item.hidden === hit) { item.hidden = !hit; }
        if (hit) { ranked[rank(names[place], words)].push(item); }
      });
      found = [].concat.apply([], ranked);
      inOrder(found);
      none.hidden = found.length > 0;
      var total = items.length.toLocaleString('en') + (items.length === 1 ? ' project' : ' projects');
      hits.textContent = words.length ? found.length.toLocaleString('en') + ' of ' + total : total;
    }

    // Only what is not in its place already is moved.
    function inOrder(wanted) {
      var next = list.firstElementChild;
      wanted.forEach(function (item) {
        while (next && next.hidden) { next = next.nextElementSibling; }
        if (item === next) { next = next.nextElementSibling; } else { list.insertBefore(item, next); }
      });
    }

    form.hidden = false;
    form.addEventListener('submit', function (event) {  // Enter opens the first hit
      event.preventDefault();
      if (found.length && field.value.trim()) { location.assign(found[0].querySelector('a').href); }
    });
    field.addEventListener('input', filter);
    field.addEventListener('keydown', function (event) {
      if (event.key === 'Escape' && field.value) { event.preventDefault(); field.value = ''; filter(); }
    });
    if (field.value) { filter(); }  // the browser remembers it when one comes back
  }

  function tellAge(time) {
    var minutes = Math.round((Date.now() - Date.parse(time.dateTime)) / 60000);
    var units = [['day', 1440], ['hour', 60], ['minute', 1]].filter(function (unit) { return minutes >= unit[1]; });
    if (units.length && window.Intl && Intl.RelativeTimeFormat) {
      var words = new Intl.RelativeTimeFormat('en', {numeric: 'auto'});
      time.title = words.format(-Math.floor(minutes / units[0][1]), units[0][0]);
    }
  }

  if (body.dataset.placeholder) { tellAddress(body.dataset.placeholder); }
  if (location.protocol === 'file:') { nameFiles(); }
  all('.snippet').forEach(function (snippet) {
    copyButton(snippet, null, snippet.querySelector('pre code'), snippet.querySelector('.what').textContent);
  });
  all('.sum').forEach(function (sum) {
    var code = sum.querySelector('code');
    copyButton(sum, code.nextSibling, code, 'SHA-256 of ' + sum.parentNode.querySelector('a').textContent);
  });
  all('.clients').forEach(tabs);
  all('form.find').forEach(search);
  all('#refreshed').forEach(tellAge);
}());
