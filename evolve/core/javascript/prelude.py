"""The JavaScript that prepares a context: what Node.js code may expect, and the functions that Python calls.

The prelude is a function that returns `name => function`. `compile(names, body)` and `regex` return an id; `run(id,
args)` and `call(path, function, args)` return a string whose first character is its kind: j JSON, u undefined, n a
number that JSON lacks, b a bigint, f a function (or symbol), e an error as JSON, p a promise that has not settled.
"""

PRELUDE = r"""
(function (isolate) {
'use strict';
const {parse, stringify} = JSON, names = Object.getOwnPropertyNames, apply = Reflect.apply, G = globalThis;
const functions = [], modules = new Map(), PromiseOf = Promise;
const define = (target, name, value) =>
  Object.defineProperty(target, name, {value, writable: true, configurable: true});
class MissingFeature extends Error {}
define(MissingFeature.prototype, 'name', 'MissingFeature');
const missing = (what) => { throw new MissingFeature(what); };

// What Node.js has and the engine lacks, as far as it needs no outside world.
const silent = () => undefined;
define(G, 'console', new Proxy({}, {get: () => silent}));
define(G, 'global', G);
const clone = (value, seen) => {
  if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError('value could not be cloned');
  if (value === null || typeof value !== 'object') return value;
  if (seen.has(value)) return seen.get(value);
  if (value instanceof Date) return new Date(value.getTime());
  if (value instanceof RegExp) return new RegExp(value.source, value.flags);
  const copy = Array.isArray(value) ? [] : value instanceof Map ? new Map() : value instanceof Set ? new Set() : {};
  seen.set(value, copy);
  if (copy instanceof Map) value.forEach((item, key) => copy.set(clone(key, seen), clone(item, seen)));
  else if (copy instanceof Set) value.forEach((item) => copy.add(clone(item, seen)));
  else for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
  return copy;
};
define(G, 'structuredClone', function structuredClone(value) { return clone(value, new Map()); });

// Timers fire in order of their time, at once: nothing here waits.
let timers = [], clock = 0, serial = 0;
const later = (callback, delay, args, every) => {
  const id = ++serial;
  timers.push({id, at: clock + (Number(delay) || 0), callback, args, every});
  return id;
};
const forget = (id) => { timers = timers.filter((timer) => timer.id !== id); };
define(G, 'setTimeout', function setTimeout(callback, delay, ...args) { return later(callback, delay, args); });
define(G, 'setImmediate', function setImmediate(callback, ...args) { return later(callback, 0, args); });
define(G, 'setInterval', function setInterval(callback, delay, ...args) {
  return later(callback, delay, args, Math.max(1, Number(delay) || 1));
});
for (const name of ['clearTimeout', 'clearImmediate', 'clearInterval']) define(G, name, forget);

// Node.js prints numbers and compares words by English rules; the engine has no locale data.
const english = (locales, options) => options === undefined && (locales === undefined || /^en(-US)?$/.test(locales));
define(Number.prototype, 'toLocaleString', function toLocaleString(locales, options) {
  const digits = options && Object.keys(options).every((key) => /^(minimum|maximum)FractionDigits$/.test(key));
  if (!digits && !english(locales, options)) missing('number formatting with a locale or options (Intl)');
  if (digits && !english(locales)) missing('number formatting with a locale (Intl)');
  if (!Number.isFinite(+this)) return Number.isNaN(+this) ? 'NaN' : this > 0 ? '∞' : '-∞';
  const least = options && options.minimumFractionDigits || 0;
  const asked = options && options.maximumFractionDigits;
  const most = asked !== undefined && asked !== null ? asked : Math.max(3, least);
  let [whole, fraction = ''] = Math.abs(+this).toFixed(most).split('.');
  while (fraction.length > least && fraction.endsWith('0')) fraction = fraction.slice(0, -1);
  const sign = +this < 0 ? '-' : '';
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ',') + (fraction ? '.' + fraction : '');
});
for (const name of ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString'])
  define(Date.prototype, name, function () { missing(`Date.prototype.${name} (Intl)`); });
const base = (text) => text.normalize('NFD').replace(/[\u0300-\u036f]/g, '');
const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;
const letters = (text) => text.replace(/[^\p{L}\p{N}]/gu, (c) => String.fromCharCode(c.charCodeAt(0) % 48));
define(String.prototype, 'localeCompare', function localeCompare(other, locales, options) {
  const {sensitivity, ...others} = options || {};
  if (Object.keys(others).length || (locales !== undefined && !english(locales)))
    missing('localeCompare with a locale or options (Intl)');
  const a = String(this), b = String(other), x = base(a), y = base(b);
  if (sensitivity === 'base') return compare(letters(x.toLowerCase()), letters(y.toLowerCase()));
  if (sensitivity === 'accent') return compare(a.toLowerCase(), b.toLowerCase());
  return compare(letters(x.toLowerCase()), letters(y.toLowerCase())) || compare(a.toLowerCase(), b.toLowerCase())
    || -compare(x, y) || compare(a, b);
});

// Text as bytes, and URLs: as much of Node.js as code that checks an answer uses.
const utf8 = (text) => {
  const bytes = [], coded = encodeURIComponent(text.toWellFormed());
  for (let at = 0; at < coded.length; at++)
    bytes.push(coded[at] === '%' ? parseInt(coded.slice(at + 1, (at += 2) + 1), 16) : coded.charCodeAt(at));
  return bytes;
};
const fromUtf8 = (bytes) => {
  let coded = '';
  for (const byte of bytes) coded += '%' + (byte < 16 ? '0' : '') + byte.toString(16);
  try { return decodeURIComponent(coded); } catch (_) { return missing('text of bytes that are no UTF-8'); }
};
const binary = (bytes) => { let text = ''; for (const byte of bytes) text += String.fromCharCode(byte); return text; };
const codes = (text) => Array.from(text, (c) => c.charCodeAt(0) & 255);
define(G, 'TextEncoder', class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return Uint8Array.from(utf8(String(text))); }
});
define(G, 'TextDecoder', class TextDecoder {
  constructor(name = 'utf-8') { if (!/^utf-?8$/i.test(name)) missing(`TextDecoder('${name}')`); }
  get encoding() { return 'utf-8'; }
  decode(bytes = []) { return fromUtf8(bytes); }
});
define(G, 'Buffer', class Buffer extends Uint8Array {
  static from(value, encoding = 'utf8') {
    if (typeof value !== 'string') return new Buffer(Array.from(value));
    switch (String(encoding).toLowerCase()) {
      case 'utf8': case 'utf-8': return new Buffer(utf8(value));
      case 'base64': case 'base64url':
        return new Buffer(codes(atob(value.replace(/-/g, '+').replace(/_/g, '/').replace(/[^A-Za-z0-9+/]/g, ''))));
      case 'hex': return new Buffer((value.match(/[\da-f]{2}/gi) || []).map((pair) => parseInt(pair, 16)));
      case 'latin1': case 'binary': case 'ascii': return new Buffer(codes(value));
    }
    return missing(`Buffer.from(text, '${encoding}')`);
  }
  static byteLength(value) { return Buffer.from(value).length; }
  static isBuffer(value) { return value instanceof Buffer; }
  toString(encoding = 'utf8') {
    switch (String(encoding).toLowerCase()) {
      case 'utf8': case 'utf-8': return fromUtf8(this);
      case 'base64': return btoa(binary(this));
      case 'hex': return Array.from(this, (byte) => (byte < 16 ? '0' : '') + byte.toString(16)).join('');
      case 'latin1': case 'binary': case 'ascii': return binary(this);
    }
    return missing(`Buffer.toString('${encoding}')`);
  }
});
define(G, 'URLSearchParams', class URLSearchParams {
  #pairs = [];
  constructor(init = '') {
    const plain = (text) => decodeURIComponent(text.replace(/\+/g, ' '));
    if (typeof init !== 'string') this.#pairs = (init[Symbol.iterator] ? [...init] : Object.entries(init))
      .map(([name, value]) => [String(name), String(value)]);
    else for (const part of init.replace(/^\?/, '').split('&')) {
      const [name, ...rest] = part.split('=');
      if (part) this.#pairs.push([plain(name), plain(rest.join('='))]);
    }
  }
  get size() { return this.#pairs.length; }
  get(name) { const pair = this.#pairs.find(([key]) => key === name); return pair ? pair[1] : null; }
  getAll(name) { return this.#pairs.filter(([key]) => key === name).map(([, value]) => value); }
  has(name) { return this.#pairs.some(([key]) => key === name); }
  append(name, value) { this.#pairs.push([String(name), String(value)]); }
  delete(name) { this.#pairs = this.#pairs.filter(([key]) => key !== name); }
  set(name, value) { this.delete(name); this.append(name, value); }
  forEach(work) { this.#pairs.forEach(([name, value]) => work(value, name, this)); }
  keys() { return this.#pairs.map(([name]) => name).values(); }
  values() { return this.#pairs.map(([, value]) => value).values(); }
  entries() { return this.#pairs.map((pair) => [...pair]).values(); }
  [Symbol.iterator]() { return this.entries(); }
  toString() {
    const coded = (text) => encodeURIComponent(text).replace(/%20/g, '+');
    return this.#pairs.map(([name, value]) => `${coded(name)}=${coded(value)}`).join('&');
  }
});
define(G, 'URL', class URL {
  constructor(text, base) {
    if (base !== undefined) missing('URL with a base');
    const scheme_ = '^\\s*([a-z][a-z\\d+.-]*:)\\/\\/', user_ = '(?:([^\\s/?#:@]*)(?::([^\\s/?#@]*))?@)?';
    const host_ = '([^\\s/?#:@[\\]]+|\\[[\\da-f:.]+\\])(?::(\\d{1,5}))?', rest_ = '([^\\s?#]*)(\\?[^#]*)?(#.*)?\\s*$';
    const found = new RegExp(scheme_ + user_ + host_ + rest_, 'i').exec(String(text));
    if (!found) {
      if (/^\s*[a-z][a-z\d+.-]*:/i.test(text) && !/^\s*(https?|ftp|wss?):/i.test(text)) missing('URL without a host');
      throw Object.assign(new TypeError('Invalid URL'), {code: 'ERR_INVALID_URL', input: String(text)});
    }
    const [, scheme, username = '', password = '', host, port = '', path, search = '', hash = ''] = found;
    this.protocol = scheme.toLowerCase();
    const usual = {'http:': '80', 'https:': '443', 'ftp:': '21', 'ws:': '80', 'wss:': '443'}[this.protocol];
    Object.assign(this, {username, password, hostname: host.toLowerCase(), port: port === usual ? '' : port});
    this.host = this.hostname + (this.port && `:${this.port}`);
    this.origin = `${this.protocol}//${this.host}`;
    Object.assign(this, {pathname: path || '/', search: search === '?' ? '' : search, hash: hash === '#' ? '' : hash});
    this.searchParams = new URLSearchParams(this.search);
    const user = username && `${username}${password && `:${password}`}@`;
    this.href = `${this.protocol}//${user}${this.host}${this.pathname}${this.search}${this.hash}`;
  }
  static canParse(text) { try { new URL(text); return true; } catch (_) { return false; } }
  toString() { return this.href; }
  toJSON() { return this.href; }
});
define(G, 'Intl', new Proxy({NumberFormat: function NumberFormat(locales, options) {
  return {format: (value) => Number(value).toLocaleString(locales, options)};
}}, {get: (target, name) => target[name] || (/^[A-Z]/.test(String(name)) ? missing(`Intl.${name}`) : undefined)}));

if (isolate) {
  // Shared by many evaluations: built-ins cannot be changed, so that one assertion cannot disturb the next.
  // Inherited read-only names could not be overridden by assignment, so the usual ones become accessors.
  const overridable = (proto, keys) => keys.forEach((key) => {
    const own = Object.getOwnPropertyDescriptor(proto, key);
    if (!own || !('value' in own) || !own.configurable) return;
    Object.defineProperty(proto, key, {configurable: true, enumerable: false, get() { return own.value; },
      set(value) {
        if (this !== proto && this !== undefined && this !== null)
          Object.defineProperty(this, key, {value, writable: true, enumerable: true, configurable: true});
      }});
  });
  overridable(Object.prototype, ['toString', 'valueOf', 'constructor', 'hasOwnProperty', 'toLocaleString']);
  overridable(Array.prototype, ['toString', 'constructor']);
  for (const name of names(G)) {
    const value = G[name];
    if (/Error$/.test(name)) overridable(value.prototype, ['name', 'message', 'constructor', 'toString']);
    if (value === G || value === null || !(typeof value === 'object' || typeof value === 'function')) continue;
    if (value.prototype) Object.freeze(value.prototype);
    if (name !== 'console') Object.freeze(value);
  }
  for (const name of names(G)) {
    const own = Object.getOwnPropertyDescriptor(G, name);
    if (own.configurable) Object.defineProperty(G, name, {writable: false, configurable: false});
  }
}

const known = new Set(names(G)), count = known.size;
const sweep = () => {
  timers = [];
  clock = 0;
  if (!isolate || names(G).length === count) return;
  for (const name of names(G)) if (!known.has(name)) delete G[name];
};
// Long concatenations are ropes inside the engine, which Python cannot take; a joined list is one flat string.
const {join} = Array.prototype, flat = (kind, text) => apply(join, [kind, text], ['']);
const encode = (value) => {
  switch (typeof value) {
    case 'undefined': return 'u';
    case 'number': if (!Number.isFinite(value)) return 'n' + value; break;
    case 'function': case 'symbol': return 'f';
    case 'bigint': return 'b' + value;
  }
  const text = stringify(value, (key, item) => typeof item === 'bigint' ? Number(item) : item);
  return text === undefined ? 'u' : flat('j', text);
};
const failure = (error) => {
  if (error instanceof Error) return flat('e', stringify({
    name: String(error.name), message: String(error.message), stack: String(error.stack || '')}));
  let shown = '?';
  try { shown = error === null || typeof error !== 'object' ? String(error) : stringify(error); } catch (_) {}
  return flat('e', stringify({name: '', message: shown, stack: ''}));
};
const isObject = (value) => value !== null && (typeof value === 'object' || typeof value === 'function');
let settled = 'p';
const finish = (value) => {
  try {
    if (isObject(value) && typeof value.then === 'function') {
      settled = 'p';
      PromiseOf.resolve(value).then((v) => { try { settled = encode(v); } catch (e) { settled = failure(e); } },
        (e) => { settled = failure(e); });
      return 'p';
    }
    return encode(value);
  } catch (error) { return failure(error); }
};
const guarded = (work, tidy) => {
  let answer;
  try { answer = finish(work()); } catch (error) { answer = failure(error); }
  if (answer !== 'p' && (tidy || timers.length)) sweep();
  return answer;
};
const assigns = /(?<![=!<>])=(?![=>])|\+\+|--|eval|Function|\bdelete\b|\bfor\b/;
const instantiate = (path) => {
  const entry = modules.get(path);
  if (entry.json !== undefined) return parse(entry.json);
  if (entry.module) return entry.module.exports;
  const module = entry.module = {exports: {}, id: path, filename: path};
  const folder = path.replace(/\/?[^/]*$/, '');
  const require = (name) => {
    const target = entry.links[name];
    return target === undefined ? missing(`require('${name}')`) : instantiate(target);
  };
  apply(entry.factory, module.exports, [module, module.exports, require, path, folder]);
  return module.exports;
};
const pick = (exported, name) => {
  if (name && exported && typeof exported[name] === 'function' && Object.hasOwn(exported, name)) return exported[name];
  if (typeof exported === 'function') return exported;
  if (exported && typeof exported.default === 'function') return exported.default;
  const data = !name && exported && (Array.isArray(exported) ? exported : exported.default);
  if (Array.isArray(data)) return () => data;
  const inner = exported && exported.default;
  if (name && inner && typeof inner[name] === 'function') return inner[name];
  throw new MissingFeature(name ? `the file exports no function "${name}"` : 'the file exports no function');
};
const table = {
  compile(json, body) {
    try {
      functions.push({work: new Function(...parse(json), body), tidy: assigns.test(body)});
    } catch (error) { return failure(error); }
    return 'i' + (functions.length - 1);
  },
  add(json) {
    const {path, source, links, data} = parse(json);
    try {
      modules.set(path, data === undefined
        ? {factory: new Function('module', 'exports', 'require', '__filename', '__dirname', source), links}
        : {json: data});
    } catch (error) { return failure(error); }
    return 'u';
  },
  run: (id, json) => guarded(() => apply(functions[id].work, undefined, parse(json)), functions[id].tidy),
  call: (path, name, json) => guarded(() => {
    for (const entry of modules.values()) delete entry.module;
    return apply(pick(instantiate(path), name), undefined, parse(json));
  }, true),
  tick() {
    if (settled !== 'p' || !timers.length) return false;
    const next = timers.reduce((a, b) => b.at < a.at ? b : a);
    clock = next.at;
    if (next.every) next.at += next.every; else forget(next.id);
    try { apply(next.callback, undefined, next.args); } catch (error) { settled = failure(error); }
    return true;
  },
  result() { const answer = settled; settled = 'p'; sweep(); return answer; },
  regex(json) {
    let expression;
    const [pattern, flags] = parse(json);
    try { expression = new RegExp(pattern, flags); } catch (error) { return failure(error); }
    functions.push((text) => { expression.lastIndex = 0; return expression.test(text); });
    return 'i' + (functions.length - 1);
  },
  test: (id, text) => functions[id](text),
  testJson: (id, json) => functions[id](parse(json)),
};
return (name) => table[name];
})
"""
