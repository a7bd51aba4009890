// Runs in Node.js: takes calls as lines of JSON on one descriptor and answers on it; see node_child.py.
'use strict';
const fs = require('fs');
const Module = require('module');
const net = require('net');
const path = require('path');
const vm = require('vm');
const {spawnSync} = require('child_process');
const {pathToFileURL, fileURLToPath} = require('url');
const {Worker} = require('worker_threads');

const [channel, lifeline] = process.argv.slice(2).map(Number);
process.argv.length = 2;
const {stringify, parse} = JSON;
const TYPESCRIPT = /\.[mc]?tsx?$/;
const SUFFIXES = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'];

// The parent's end closes the pipe. A thread notices that also while this one is busy.
new Worker(
  `const {workerData} = require('worker_threads');
   try { require('fs').readSync(workerData, Buffer.alloc(1)); } catch {}
   try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); }`,
  {eval: true, workerData: lifeline, stdout: false, stderr: false},
).unref();

// TypeScript names its neighbours without a suffix, or by the suffix of what a compiler would make of them.
const neighbour = (specifier, parent) => {
  const base = path.resolve(path.dirname(parent), specifier);
  const stem = base.replace(/\.([mc]?)jsx?$/, '.$1ts');
  const isFile = (name) => { try { return fs.statSync(name).isFile(); } catch { return false; } };
  const names = [base, stem, ...SUFFIXES.map((suffix) => base + suffix),
    ...SUFFIXES.map((suffix) => path.join(base, 'index' + suffix))];
  return names.find(isFile);
};
if (Module.registerHooks) {
  Module.registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        const parent = context.parentURL && context.parentURL.startsWith('file:') && fileURLToPath(context.parentURL);
        const found = parent && TYPESCRIPT.test(parent) && /^\.\.?\//.test(specifier) && neighbour(specifier, parent);
        if (!found) throw error;
        return next(pathToFileURL(found).href, context);
      }
    },
  });
}

let tsxFolder = '';
const useTsx = async (folder) => {
  if (!folder || tsxFolder) return;
  tsxFolder = folder;
  const place = path.join(folder, 'node_modules', 'tsx');
  const {exports: entries} = parse(fs.readFileSync(path.join(place, 'package.json'), 'utf8'));
  require(path.join(place, entries['./cjs/api'].require.default)).register();
  const esm = await import(pathToFileURL(path.join(place, entries['./esm/api'].import.default)).href);
  esm.register();
};

const load = async (file, tsx) => {
  await useTsx(tsx);
  return import(pathToFileURL(file).href);
};
const unwrap = (loaded) => {
  const once = loaded && loaded.default !== undefined ? loaded.default : loaded;
  return once && once.default !== undefined ? once.default : once;
};
const exported = (loaded, name, file) => {
  const whole = unwrap(loaded);
  const found = name ? name.split('.').reduce((part, key) => part && part[key], whole) ?? loaded[name] : whole;
  if (found === undefined || found === null) {
    const known = [...new Set([...Object.keys(loaded), ...Object.keys(Object(whole))])]
      .filter((key) => key !== 'default' && key !== 'module.exports');
    throw new Error(`${file} exports no ${name || 'function'}${known.length ? `; it exports ${known.join(', ')}` : ''}`);
  }
  return found;
};

const isClass = (value) => typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
const providers = new Map();
const providerOf = async ({path: file, tsx, function: name, options, method}) => {
  const key = stringify([file, name, options]);
  if (!providers.has(key)) {
    const found = exported(await load(file, tsx), name, file);
    const isOne = isClass(found) || (typeof found === 'function' && found.prototype && found.prototype[method]);
    providers.set(key, isOne ? new found(options) : found);
  }
  return providers.get(key);
};

// `process.mainModule.require` is how inline code of promptfoo loads modules.
const shim = (required) => new Proxy(process, {
  get: (target, key) => {
    if (key === 'mainModule') return {require: required, exports: {}};
    const value = Reflect.get(target, key, target);
    return typeof value === 'function' ? value.bind(target) : value;
  },
});

const operations = {
  async call({path: file, tsx, function: name, args}) {
    const found = exported(await load(file, tsx), name, file);
    return typeof found === 'function' ? found(...args) : found;
  },
  async hook({path: file, tsx, function: name, args}) {
    const answer = await exported(await load(file, tsx), name, file)(...args);
    return answer ?? args.find((each) => typeof each === 'object'); // the context, which it may have changed
  },
  async provider(call) {
    const found = await providerOf(call);
    const {method, args, options} = call;
    if (typeof found[method] === 'function') return found[method](...args);
    if (typeof found === 'function' && method === 'callApi') return found(args[0], options, args[1]);
    throw new Error(`${call.path} must export a class with ${method}, or a function`);
  },
  async run({body, names, values, folder}) {
    const required = Module.createRequire(path.join(folder, 'inline.js'));
    // As in promptfoo there is no `require` of its own.
    const code = vm.runInThisContext(`(async function (${[...names, 'process'].join(', ')}) {\n${body}\n})`, {
      filename: 'inline code', lineOffset: -1, importModuleDynamically: (name) => import(importable(name, required)),
    });
    return code(...values, shim(required));
  },
  async env({env}) {
    for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
    Object.assign(process.env, env);
  },
  async check({path: file, tsx}) { return problemsOf(file, tsx); },
  async checkCode({body, folder}) {
    const required = Module.createRequire(path.join(folder, 'inline.js'));
    return [...requires(body)].filter((name) => !isThere(name, required)).map((name) => ({kind: 'package', name}));
  },
};
const importable = (name, required) =>
  Module.isBuiltin(name) ? name : pathToFileURL(required.resolve(name)).href;

// --- problems of a file and of all that it imports by relative paths, without running any of it

const problemsOf = async (first, tsx) => {
  const found = [], waiting = [first], seen = new Set(waiting);
  while (waiting.length) {
    const file = waiting.pop();
    if (file.endsWith('.json') || file.endsWith('.node')) continue;
    try {
      for (const name of importsOf(file, tsx)) {
        const target = name.startsWith('.') ? relative(name, file, tsx) : undefined;
        if (name.startsWith('.') && !target) found.push({kind: 'file', file, name, ...placeOf(file, name)});
        else if (target && !seen.has(target)) { seen.add(target); waiting.push(target); }
        else if (!name.startsWith('.') && !isThere(name, Module.createRequire(file)))
          found.push({kind: 'package', file, name, ...placeOf(file, name)});
      }
    } catch (error) {
      if (!error.problem) throw error;
      found.push({file, ...error.problem});
    }
  }
  return found;
};
const placeOf = (file, name) => {
  const text = fs.readFileSync(file, 'utf8');
  const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = new RegExp(`(?:from|import|require\\s*\\()\\s*(?=['"]${quoted}['"])`).exec(text);
  if (!found) return {};
  const before = text.slice(0, found.index + found[0].length).split('\n');
  return {line: before.length, column: before[before.length - 1].length + 1};
};
const relative = (name, file, tsx) => {
  if (TYPESCRIPT.test(file) || tsx) return neighbour(name, file);
  try { return Module.createRequire(file).resolve(name); } catch { return undefined; }
};
const isThere = (name, required) => {
  if (name.startsWith('node:') || Module.isBuiltin(name)) return Module.isBuiltin(name);
  if (/^(#|data:|https?:|file:)/.test(name)) return true; // Node itself finds these, or says why not
  try {
    required.resolve(name);
    return true;
  } catch (error) {
    // A package without an entry for `require` is there.
    return error.code !== 'MODULE_NOT_FOUND' || hasFolder(name, required);
  }
};
const hasFolder = (name, required) => {
  const folder = name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/');
  const packages = (required.resolve.paths(name) || []).map((place) => path.join(place, folder, 'package.json'));
  const found = packages.find((place) => fs.existsSync(place));
  if (!found) return false;
  const {exports: entries, main} = parse(fs.readFileSync(found, 'utf8'));
  return entries !== undefined || main === undefined;
};

const problem = (message, line, column, kind = 'syntax') =>
  Object.assign(new Error(message), {problem: {kind, message, line, column}});
const importsOf = (file, tsx) => {
  const text = fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, '').replace(/^#!/, '//');
  if (TYPESCRIPT.test(file)) {
    const code = tsx ? compiled(text, file, tsx) : stripped(text, file);
    return isCommonJs(file, code) ? [...requires(code)] : parsedModule(code, file, code);
  }
  if (file.endsWith('.mjs') || packageType(file) === 'module') return file.endsWith('.cjs') ? common(text, file) : parsedModule(text, file);
  return common(text, file);
};
const packageType = (file) => {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const name = path.join(folder, 'package.json');
    if (fs.existsSync(name)) { try { return parse(fs.readFileSync(name, 'utf8')).type; } catch { return undefined; } }
    if (folder === path.dirname(folder)) return undefined;
  }
};
const isCommonJs = (file, code) => file.endsWith('.cts') || (!file.endsWith('.mts') && !/^\s*(import|export)\b/m.test(code));
const stripped = (text, file) => {
  try {
    return Module.stripTypeScriptTypes(text, {mode: 'strip', sourceUrl: file});
  } catch (error) {
    const [line, column] = spot(error.stack);
    const unsupported = error.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX';
    throw problem(error.message.split('\n')[0], line, column, unsupported ? 'unsupported' : 'syntax');
  }
};
const compiled = (text, file, tsx) => {
  const esbuild = Module.createRequire(fs.realpathSync(path.join(tsx, 'node_modules', 'tsx', 'package.json')))('esbuild');
  try {
    const loader = file.endsWith('x') ? 'tsx' : 'ts';
    return esbuild.transformSync(text, {loader, sourcefile: file, logLevel: 'silent', target: 'esnext'}).code;
  } catch (error) {
    const first = error.errors && error.errors[0];
    if (!first) throw error;
    throw problem(first.text, first.location && first.location.line, first.location && first.location.column + 1);
  }
};
const common = (text, file) => {
  try {
    vm.compileFunction(text, ['exports', 'require', 'module', '__filename', '__dirname'], {filename: file});
    return [...requires(text)];
  } catch (error) {
    const isModule = /^\s*(import|export)\b|\bimport\.meta\b/m.test(text) || /await is only valid/.test(error.message);
    if (!file.endsWith('.cjs') && isModule) {
      if (process.features.require_module) return parsedModule(text, file); // with it Node looks at the syntax
      throw problem(`Node.js ${process.versions.node} takes this file for CommonJS, and it is a module`, undefined, undefined, 'esm');
    }
    throw problem(error.message, ...spot(error.stack));
  }
};
const parsedModule = (text, file, code) => {
  try {
    const parsed = new vm.SourceTextModule(code || text, {identifier: file});
    const names = parsed.moduleRequests ? parsed.moduleRequests.map((each) => each.specifier) : parsed.dependencySpecifiers;
    return [...new Set(names)];
  } catch (error) {
    const checked = spawnSync(process.execPath, ['--check', '--input-type=module', '-'], {input: text, encoding: 'utf8'});
    throw problem(error.message, ...spot(checked.stderr || ''));
  }
};
// Node shows the place of a mistake as `FILE:LINE`, the line itself, and arrows below it.
const spot = (stack) => {
  const line = /^.*?:(\d+)$/m.exec(stack), arrows = /^([ \t]*)\^/m.exec(stack);
  return [line ? Number(line[1]) : undefined, arrows ? arrows[1].length + 1 : undefined];
};

// Names of `require('NAME')` outside of comments, texts and `try` blocks, in which a missing package is expected.
const TOKEN = /\/\/[^\n]*|\/\*[^]*?\*\/|`(?:\\[^]|[^`\\])*`|\brequire\s*\(\s*(['"])([^'"\n]+)\1\s*\)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\btry\s*\{|[{}]/g;
const requires = function* (text) {
  const blocks = [], seen = new Set();
  for (const [token, , name] of text.matchAll(TOKEN)) {
    if (token.endsWith('{')) blocks.push(token.startsWith('try'));
    else if (token === '}') blocks.pop();
    else if (name && !blocks.includes(true) && !seen.has(name)) { seen.add(name); yield name; }
  }
};

// --- answers

const encode = (value) => {
  if (value === undefined) return {kind: 'undefined'};
  if (typeof value === 'function' || typeof value === 'symbol') return {kind: 'function'};
  if (typeof value === 'bigint') return {kind: 'bigint', shown: String(value)};
  if (typeof value === 'number' && !Number.isFinite(value)) return {kind: 'number', shown: String(value)};
  const text = stringify(value);
  return text === undefined ? {kind: 'undefined'} : {kind: 'json', text};
};
const describe = (error) => {
  if (error === null || typeof error !== 'object') return {kind: 'error', name: '', message: String(error), stack: ''};
  const cause = error.cause && error.cause.message ? ` (${error.cause.message})` : '';
  return {kind: 'error', name: String(error.name || 'Error'), message: String(error.message) + cause, stack: String(error.stack || '')};
};
const socket = new net.Socket({fd: channel, readable: true, writable: true});
const answer = async (line) => {
  const call = parse(line);
  let reply;
  try { reply = encode(await operations[call.op](call)); } catch (error) { reply = describe(error); }
  socket.write(stringify({id: call.id, ...reply}) + '\n');
};
const {StringDecoder} = require('string_decoder');
const decoder = new StringDecoder('utf8');
let rest = [];
socket.on('data', (chunk) => {
  const parts = decoder.write(chunk).split('\n');
  rest.push(parts[0]);
  if (parts.length === 1) return;
  answer(rest.join(''));
  for (const line of parts.slice(1, -1)) answer(line);
  rest = [parts[parts.length - 1]];
});
socket.on('end', () => process.exit(0));
socket.on('error', () => process.exit(0));
