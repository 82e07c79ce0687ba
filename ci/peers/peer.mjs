// A WebSocket peer on the Node library `ws`; README.md describes its modes.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createRequire } from "node:module";

// The library is in the folder that setup.sh prints, not beside this file.
const home = process.env.PEERS_HOME;
if (!home) {
  console.error("PEERS_HOME is not set: it is the folder that setup.sh prints");
  process.exit(2);
}
const { WebSocket, WebSocketServer } = createRequire(`${home}/node/`)("ws");

const LIMIT = 64 * 1024 * 1024;
const LARGE = 16 * 1024 * 1024;
const SERVER_SECONDS = 600;
const CLIENT_SECONDS = 60;
const OPTIONS = { perMessageDeflate: false, maxPayload: LIMIT };

const FRAGMENTED = ["one ", "zwei: größer ", "три ", "四 🦀"];
// Cut inside characters: only the whole message is UTF-8.
const whole = Buffer.from("größer 🦀");
const CUT = [whole.subarray(0, 3), whole.subarray(3, 11), whole.subarray(11)];
const TICKS = 100;

// DEFLATE as the options of `ws`.
function deflateOptions(deflate) {
  if (!deflate) return false;
  return {
    serverNoContextTakeover: deflate.server_no_context_takeover,
    clientNoContextTakeover: deflate.client_no_context_takeover,
    serverMaxWindowBits: deflate.server_max_window_bits,
    clientMaxWindowBits: deflate.client_max_window_bits,
    threshold: 0,
  };
}

// The options of TLS, if there are certificates.
function tlsOptions(read) {
  const folder = process.env.PEERS_TLS;
  if (!folder) return null;
  const version = process.env.PEERS_TLS_VERSION;
  return {
    minVersion: version,
    maxVersion: version,
    ...read((name) => readFileSync(`${folder}/${name}`)),
  };
}

const seconds = (n) => new Promise((_, reject) => {
  setTimeout(() => reject(new Error(`not done after ${n} seconds`)), n * 1000).unref();
});

function check(condition, what) {
  if (!condition) throw new Error(what);
}

// Bytes whose order and position matter.
function pattern(length) {
  const cycle = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
  return Buffer.alloc(length, cycle);
}

function sendFragments(ws, fragments, binary, between = () => {}) {
  fragments.forEach((fragment, i) => {
    ws.send(fragment, { binary, fin: i === fragments.length - 1 });
    between(i);
  });
}

// Resolves when the next pong has this payload, and rejects when it has another.
async function ping(ws, payload) {
  const pong = once(ws, "pong");
  ws.ping(payload);
  const [data] = await Promise.race([pong, seconds(10)]);
  check(data.equals(payload), `the pong carries ${data.toString("hex")}`);
}

// A small message of JSON, much like the one before it.
function tick(number) {
  const price = 27_000 + (number * 37) % 1000;
  const cents = String((number * 7) % 100).padStart(2, "0");
  return `{"type":"trade","symbol":"WSIMD-USD","sequence":${1_000_000 + number},`
    + `"price":"${price}.${cents}","size":"0.0625","side":"buy"}`;
}

const ticks = (count) => Array.from({ length: count }, (_, number) => tick(number));

// Server mode

function echo(ws) {
  ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
}

async function reportPing(ws) {
  try {
    await ping(ws, Buffer.from("ping \x00\xff payload", "latin1"));
    ws.send("pong ok");
  } catch (error) {
    ws.send(`pong missing: ${error.message}`);
  }
}

function handle(ws, request) {
  ws.on("error", (error) => console.error(`server: ${error.message}`));
  ws.on("close", (code, reason) => {
    console.log("closed", code, JSON.stringify(reason.toString()));
  });
  const url = new URL(request.url, "ws://127.0.0.1");
  if (url.pathname === "/close") {
    const code = Number(url.searchParams.get("code") ?? 1000);
    ws.close(code, url.searchParams.get("reason") ?? "");
    return;
  }
  echo(ws);
  if (url.pathname === "/fragments") sendFragments(ws, FRAGMENTED, false);
  if (url.pathname === "/ping") reportPing(ws);
}

async function server(deflate) {
  OPTIONS.perMessageDeflate = deflateOptions(deflate);
  const tls = tlsOptions((file) => ({ cert: file("server.pem"), key: file("server.pem") }));
  const listening = tls ? createHttpsServer(tls) : createHttpServer();
  new WebSocketServer({ server: listening, ...OPTIONS }).on("connection", handle);
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  console.log("listening", listening.address().port);
  setTimeout(() => process.exit(0), SERVER_SECONDS * 1000);
}

// Client mode

// Messages as they arrive, read one at a time; ends with the connection's end.
function inbox(ws) {
  const messages = [];
  let wake = () => {};
  let ended = null;
  ws.on("message", (data, isBinary) => {
    messages.push({ data, isBinary });
    wake();
  });
  ws.on("error", (error) => {
    ended ??= error.message;
    wake();
  });
  ws.on("close", (code, reason) => {
    ended ??= `closed with ${code} ${reason}`;
    wake();
  });
  return async () => {
    while (messages.length === 0) {
      if (ended !== null) throw new Error(ended);
      await new Promise((resolve) => { wake = resolve; });
    }
    return messages.shift();
  };
}

async function expectEcho(next, expected, binary, what) {
  const { data, isBinary } = await next();
  check(isBinary === binary, `${what}: the echo has the other type`);
  check(data.equals(expected), `${what}: the echo of length ${data.length} differs`);
}

async function exchangeFragments(ws, next, fragments, binary, what) {
  const pongs = [];
  const keep = (data) => pongs.push(data.toString());
  ws.on("pong", keep);
  sendFragments(ws, fragments, binary, (i) => ws.ping(`between ${i}`));
  const expected = Buffer.concat(fragments.map((fragment) => Buffer.from(fragment)));
  await expectEcho(next, expected, binary, what);
  // The last ping follows the message, so that its pong may follow the echo.
  while (pongs.length < fragments.length) await Promise.race([once(ws, "pong"), seconds(10)]);
  ws.off("pong", keep);
  const right = pongs.every((pong, i) => pong === `between ${i}`);
  check(right && pongs.length === fragments.length, `${what}: the pongs are ${pongs}`);
}

async function exchangeCompressible(ws, next) {
  for (const text of ticks(TICKS)) {
    ws.send(text);
    await expectEcho(next, Buffer.from(text), false, text);
  }
  const large = ticks(11_000).join("\n").slice(0, 1 << 20);
  ws.send(large);
  await expectEcho(next, Buffer.from(large), false, "1 MiB of JSON");
  const random = randomBytes(65_536);
  ws.send(random);
  await expectEcho(next, random, true, "random bytes");
  for (const binary of [false, true]) {
    ws.send(Buffer.alloc(0), { binary });
    await expectEcho(next, Buffer.alloc(0), binary, "an empty message");
  }
  await exchangeFragments(ws, next, ticks(TICKS), false, "fragmented ticks");
}

async function exchange(ws, next, large) {
  for (const text of ["", "hello", "größer, три, 四, 🦀", "é".repeat(70_000)]) {
    ws.send(text);
    await expectEcho(next, Buffer.from(text), false, `text of ${text.length} characters`);
  }
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_003]) {
    ws.send(pattern(length));
    await expectEcho(next, pattern(length), true, `binary of ${length} bytes`);
  }
  await exchangeFragments(ws, next, FRAGMENTED, false, "fragmented text");
  await exchangeFragments(ws, next, CUT, false, "text cut inside characters");
  const fragments = [pattern(70_000), Buffer.alloc(0), pattern(3)];
  await exchangeFragments(ws, next, fragments, true, "fragmented binary");
  if (large) {
    ws.send(pattern(LARGE));
    await expectEcho(next, pattern(LARGE), true, "binary of 16 MiB");
  }
  await ping(ws, Buffer.from("are you there?"));
  const closed = once(ws, "close");
  ws.close(4000, "done ✓");
  const [code] = await closed;
  check(code === 4000, `the Close in answer to 4000 has ${code}`);
}

async function client(url, deflate) {
  OPTIONS.perMessageDeflate = deflateOptions(deflate);
  const tls = tlsOptions((file) => ({ ca: file("ca.pem") }));
  const ws = new WebSocket(url, { handshakeTimeout: 10_000, ...OPTIONS, ...tls });
  const next = inbox(ws);
  await once(ws, "open");
  if (deflate) {
    check(ws.extensions !== "", "permessage-deflate was declined");
    await exchangeCompressible(ws, next);
  }
  await exchange(ws, next, !deflate);
}

async function runClient(url, deflate) {
  try {
    await Promise.race([client(url, deflate), seconds(CLIENT_SECONDS)]);
    console.log("ok");
    process.exit(0);
  } catch (error) {
    console.log(`failed: ${error.message}`);
    process.exit(1);
  }
}

const [mode, ...rest] = process.argv.slice(2);
const url = mode === "client" ? rest.shift() : null;
const deflate = JSON.parse(rest.shift() ?? "null");
if (mode === "server" && rest.length === 0) {
  await server(deflate);
} else if (mode === "client" && url && rest.length === 0) {
  await runClient(url, deflate);
} else {
  console.error("usage: peer.mjs server [DEFLATE] | client URL [DEFLATE]");
  process.exit(2);
}
