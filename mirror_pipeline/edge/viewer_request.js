// mirror_pipeline: viewer-request function, runtime cloudfront-js-2.0.
// Names the object that answers, or answers: domain/serving.py in ES5.
// Only the next line differs between deployments.
var CONFIG = {"generation":null,"tokens":null};

var crypto = require('crypto');

var SIMPLE = 'application/vnd.pypi.simple.';
var GZIPPED = ['html', 'v1_json', 'json', 'toml', 'txt', 'css', 'js', 'svg'];

// In njs '$' also matches before a last line feed: what may hold one is judged by these two first.
var NOT_ASCII = /[^\t -~]/;
var UNSAFE = /^[^A-Za-z0-9]|[^A-Za-z0-9._+!-]/;
var FIXED = /^(?:|index\.html|manifest\.json|requirements-[^\/]*\.txt|simple\/(?:index\.(?:html|v1_json))?)$/;
var FILE = /^(?:packages\/[^\/]+|pylock\/.*\.toml|requirements\/.*\.txt|assets\/(?!.*\.gz$).*[^\/]|simple\/[a-z0-9-]+\/[^\/]+\.provenance)$/;
var PAGE = /^(simple|project)\/([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(\/(?:index\.(?:html|v1_json))?)?$/;
var QUALITY = /^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/;
var BASIC = /^[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+\/]+=*)$/;

function handler(event) {
  var request = event.request, headers = request.headers;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return answer(request, 405, 'Method Not Allowed', {allow: 'GET, HEAD'});
  }
  if (CONFIG.tokens !== null && !isKnown(text(headers.authorization))) {
    var ask = {'www-authenticate': 'Basic realm="mirror"', 'cache-control': 'no-store'};
    return answer(request, 401, 'Unauthorized', ask);
  }
  var path = CONFIG.generation === null ? null : decoded(request.uri);
  var page = path === null ? null : pageAt(path), location = canonical(path, page);
  if (location !== null) {
    return answer(request, 301, 'Moved Permanently', {location: location});
  }
  if (path === null || !(page || FIXED.test(path) || FILE.test(path))) {
    return answer(request, 404, 'Not Found', {});
  }
  var key = object(path, text(headers.accept), text(headers['accept-encoding']));
  request.uri = '/' + key.replace(/\+/g, '%2B').replace(/!/g, '%21'); // a bare plus is a space to S3
  request.querystring = {};
  delete headers.authorization;
  return request;
}

function answer(request, status, reason, special) {
  var headers = {
    'cache-control': {value: (CONFIG.tokens ? 'private' : 'public') + ', max-age=10'},
    'content-type': {value: 'text/plain; charset=utf-8'},
    'x-content-type-options': {value: 'nosniff'}
  };
  Object.keys(special).forEach(function (name) { headers[name] = {value: special[name]}; });
  var response = {statusCode: status, statusDescription: reason, headers: headers};
  if (request.method !== 'HEAD') {
    response.body = {encoding: 'text', data: reason + '\n'};
  }
  return response;
}

// Whether name:token is let in; never what is no well-formed base64.
function isKnown(authorization) {
  var basic = NOT_ASCII.test(authorization) ? null : BASIC.exec(authorization);
  if (basic === null) {
    return false;
  }
  var login = Buffer.from(basic[1], 'base64');
  return login.toString('base64') === basic[1] &&
    CONFIG.tokens.indexOf(crypto.createHash('sha256').update(login).digest('hex')) >= 0;
}

// The path without its first slash, each segment decoded once; null where one is unsafe.
// In parts of a text that is not ASCII, njs replaces for ever.
function decoded(uri) {
  if (NOT_ASCII.test(uri)) {
    return null;
  }
  var segments = uri.split('?')[0].split('/').map(function (segment) {
    return segment.replace(/%([0-9A-Fa-f]{2})/g, function (all, hex) {
      return String.fromCharCode(parseInt(hex, 16));
    });
  });
  var last = segments.length - 1;
  var sound = last > 0 && segments.every(function (name, place) {
    return name ? place > 0 && name.length <= 250 && !UNSAFE.test(name) : place === 0 || place === last;
  });
  return sound ? segments.slice(1).join('/') : null;
}

// Section, name and rest of a project's page.
function pageAt(path) {
  var page = FIXED.test(path) ? null : PAGE.exec(path);
  return page && page[1] + page[3] === 'project/index.v1_json' ? null : page;
}

// Where a page really lies, if not here: normalized name, trailing slash.
function canonical(path, page) {
  if (!page) {
    return path === 'simple' ? '/simple/' : null;
  }
  var name = page[2].replace(/[._-]+/g, '-').toLowerCase();
  return page[3] && name === page[2] ? null : '/' + page[1] + '/' + name + (page[3] || '/');
}

function object(path, accept, acceptEncoding) {
  if (path.startsWith('packages/')) {
    return path;
  }
  var page = path.startsWith('simple/') && prefersJson(accept) ? 'index.v1_json' : 'index.html';
  var key = path === '' || path.endsWith('/') ? path + page : path;
  var zipped = GZIPPED.indexOf(key.split('.').pop()) >= 0 && best(acceptEncoding, ['gzip', 'x-gzip']) > 0;
  return 'g/' + CONFIG.generation + '/' + key + (zipped ? '.gz' : '');
}

function prefersJson(accept) {
  var json = best(accept, [SIMPLE + 'v1+json', SIMPLE + 'latest+json']);
  var html = best(accept, ['text/html', SIMPLE + 'v1+html', SIMPLE + 'latest+html']);
  return json > 0 && json >= (html < 0 ? best(accept, ['*/*', 'text/*', 'application/*']) : html);
}

// The highest quality that a header gives one of these names; -1: none.
function best(header, names) {
  return header.split(',').reduce(function (highest, item) {
    var parts = item.split(';');
    return names.indexOf(token(parts[0])) < 0 ? highest : Math.max(highest, quality(parts.slice(1)));
  }, -1);
}

// -1 where malformed: the item is then left out.
function quality(parameters) {
  for (var i = 0; i < parameters.length; i++) {
    var parts = parameters[i].split('=');
    if (token(parts[0]) === 'q') {
      var value = token(parts.slice(1).join('='));
      return QUALITY.test(value) ? Number(value) : -1;
    }
  }
  return 1;
}

// Trimmed and in lower case; '' for what is not ASCII.
function token(string) {
  var inner = NOT_ASCII.test(string) ? null : /[!-~](?:[\t -~]*[!-~])?/.exec(string);
  return inner === null ? '' : inner[0].toLowerCase();
}

function text(header) {
  return header ? (header.multiValue || [header]).map(function (one) { return one.value; }).join(',') : '';
}
