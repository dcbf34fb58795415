#!/usr/bin/node
// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
const {Worker, isMainThread, parentPort, workerData} = require('worker_threads');
const fs = require('fs');
const {execFileSync, spawn, fork} = require('child_process');

if (!isMainThread) {
  const cells = new Int32Array(workerData.shared);
  for (let i = 0; i < 1000; i++) Atomics.add(cells, 0, 1);
  parentPort.postMessage({n: workerData.n, square: workerData.n ** 2});
} else if (process.argv[2] === 'child') {
  process.on('message', (m) => { process.send(m.toUpperCase()); process.disconnect(); });
} else {
  main();
}

function worker(n, shared) {
  return new Promise((resolve, reject) => {
    const w = new Worker(__filename, {workerData: {n, shared}});
    w.on('message', resolve);
    w.on('error', reject);
  });
}

async function main() {
  const shared = new SharedArrayBuffer(4);
  const results = await Promise.all([1, 2, 3, 4].map((n) => worker(n, shared)));
  console.log(results.map((r) => r.square).join(), new Int32Array(shared)[0]);
  fs.writeFileSync('node.txt', 'a\n'.repeat(1000));
  console.log((await fs.promises.readFile('node.txt')).length, fs.statSync('node.txt').size);
  console.log(execFileSync('sh', ['-c', 'echo from sh; pwd | wc -l']).toString());
  const p = spawn('cat');
  let out = '';
  p.stdout.on('data', (d) => out += d);
  p.stdin.end('through cat');
  console.log(await new Promise((done) => p.on('close', (code) => done(code + ' ' + out))));
  const k = spawn('sleep', ['100']);
  k.kill();
  console.log(await new Promise((done) => k.on('exit', (code, signal) => done(signal))));
  const c = fork(__filename, ['child']);
  c.send('message');
  console.log(await new Promise((done) => c.on('message', done)));
  const hash = require('crypto').createHash('sha256').update('cvisor').digest('hex');
  console.log(hash, require('zlib').gunzipSync(require('zlib').gzipSync('zipped')).toString());
  const server = require('net').createServer((s) => s.end('hello')).listen('node.sock');
  console.log(await new Promise((done) => {
    require('net').connect('node.sock').on('data', (d) => done(d.toString()));
  }));
  server.close();
  const timer = setInterval(() => {}, 10);
  process.once('SIGUSR2', () => { clearInterval(timer); console.log('SIGUSR2'); process.exitCode = 3; });
  process.kill(process.pid, 'SIGUSR2');
}
