/** What only the real ports have: HTTP beside WebSockets, foreign peers, remains of killed processes. */
import * as fs from "node:fs/promises";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { performance } from "node:perf_hooks";
import type { HttpRequest, LinkHandlers } from "@sixfold/ports";
import { DiskFaultError, DiskFullError } from "@sixfold/ports";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { FileDisk, NodeClock, NodeHost, WebSocketNetwork, asDiskError } from "./index.ts";

const maxFrameBytes = 1 << 20;
const connectOptions = { maxFrameBytes, trusted: true, timeoutMs: 300 };

function recorder(): LinkHandlers & { reasons: string[]; frames: number; closedOnce: Promise<string> } {
  let resolve: (reason: string) => void;
  const closedOnce = new Promise<string>((give) => (resolve = give));
  return {
    reasons: [],
    frames: 0,
    closedOnce,
    frame() {
      this.frames += 1;
    },
    closed(_link, reason) {
      this.reasons.push(reason);
      resolve(reason);
    },
  };
}

describe("WebSocketNetwork", () => {
  const network = new WebSocketNetwork();

  test("HTTP on the same port: answers, 404, 405, and a failing handler is a 500", async () => {
    const http = ({ method, path: asked, body }: HttpRequest) => {
      if (method === "POST") return { status: 202, type: "text/plain", body };
      if (asked === "/boom") throw new Error("no metrics today");
      return asked === "/health" ? { status: 200, type: "text/plain", body: "ok é" } : undefined;
    };
    const listener = await network.listen({ host: "127.0.0.1", port: 0, maxFrameBytes, http }, recorder());
    const base = listener.url.replace("ws:", "http:");
    const health = await fetch(`${base}/health?verbose=1`);
    expect([health.status, health.headers.get("content-type"), await health.text()]).toEqual([
      200,
      "text/plain",
      "ok é",
    ]);
    expect((await fetch(`${base}/other`)).status).toBe(404);
    expect((await fetch(`${base}/health`, { method: "DELETE" })).status).toBe(405);
    expect(await (await fetch(`${base}/replace`, { method: "POST", body: "a word" })).text()).toBe("a word");
    expect((await fetch(`${base}/replace`, { method: "POST", body: "x".repeat(70_000) })).status).toBe(500);
    expect((await fetch(`${base}/health`, { method: "HEAD" })).headers.get("content-length")).toBe("5");
    expect(await (await fetch(`${base}/boom`)).text()).toContain("no metrics today");
    await listener.close();
  });

  test("a listener closes though somebody asks it again and again, on one connection", async () => {
    let answer: ((body: string) => void) | undefined;
    const http = async () => {
      const body = await new Promise<string>((resolve) => (answer = resolve));
      return { status: 200, type: "text/plain", body };
    };
    const listener = await network.listen({ host: "127.0.0.1", port: 0, maxFrameBytes, http }, recorder());
    const socket = net.connect(listener.port, "127.0.0.1");
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const ask = () => socket.write("GET /health HTTP/1.1\r\nHost: here\r\n\r\n");
    socket.on("data", ask);
    ask();
    await expect.poll(() => answer).toBeDefined();
    const closed = listener.close();
    answer!("not any more");
    expect(await Promise.all([closed, ended])).toHaveLength(2);
  });

  test("a listener closes though a connection says nothing", async () => {
    const listener = await network.listen({ host: "127.0.0.1", port: 0, maxFrameBytes }, recorder());
    const socket = net.connect(listener.port, "127.0.0.1");
    socket.on("error", () => undefined); // cut
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    expect(await Promise.all([listener.close(), ended])).toHaveLength(2);
  });

  test("a peer that sends text is closed with a reason", async () => {
    const server = recorder();
    const listener = await network.listen({ host: "127.0.0.1", port: 0, maxFrameBytes }, server);
    const peer = new WebSocket(listener.url);
    peer.on("open", () => peer.send("hello"));
    const [code, said] = await new Promise<[number, string]>((resolve) => {
      peer.on("close", (number, reason) => resolve([number, reason.toString()]));
    });
    expect([code, said]).toEqual([1003, "text frames are not taken"]);
    expect(await server.closedOnce).toBe("text frames are not taken");
    expect(server.frames).toBe(0);
    await listener.close();
  });

  test("a server that never answers the handshake is given up in time", async () => {
    const sockets: net.Socket[] = [];
    const silent = net.createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as net.AddressInfo;
    const client = recorder();
    network.connect(`ws://127.0.0.1:${port}`, connectOptions, client);
    expect(await client.closedOnce).toMatch(/timed out/);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  test("a peer whose connection is cut is noticed", async () => {
    const server = recorder();
    const listener = await network.listen({ host: "127.0.0.1", port: 0, maxFrameBytes }, server);
    const peer = new WebSocket(listener.url);
    peer.on("open", () => peer.terminate());
    expect(await server.closedOnce).not.toBe("");
    await listener.close();
    expect(server.reasons).toHaveLength(1);
  });

  test("a reason too long for a close frame is cut at a character", async () => {
    const client = recorder();
    const listener = await network.listen(
      { host: "127.0.0.1", port: 0, maxFrameBytes },
      { open: (link) => link.close("é".repeat(100)), frame: () => {}, closed: () => {} },
    );
    network.connect(listener.url, connectOptions, client);
    expect(await client.closedOnce).toBe("é".repeat(61));
    await listener.close();
  });
});

describe("FileDisk", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await fs.mkdtemp(path.join(os.tmpdir(), "sixfold-disk-"));
  });
  afterEach(() => fs.rm(directory, { recursive: true, force: true }));

  test("what an interrupted creation left is cleared, and foreign files are not listed", async () => {
    await fs.writeFile(path.join(directory, ".making-00000002.log"), "half");
    await fs.writeFile(path.join(directory, "README.TXT"), "a person's");
    const disk = await FileDisk.open(directory);
    expect(await disk.list()).toEqual([]);
    expect(await fs.readdir(directory)).toEqual(["README.TXT"]);
    await disk.close();
  });

  test("a file cut short behind our back is a fault of the medium", async () => {
    const disk = await FileDisk.open(directory);
    await disk.create("f", 1000);
    await fs.truncate(path.join(directory, "f"), 10);
    await expect(disk.read("f", 0, 1000)).rejects.toBeInstanceOf(DiskFaultError);
    await disk.close();
  });

  test("the system's errors become the port's, with their cause", () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    expect(asDiskError(full)).toBeInstanceOf(DiskFullError);
    expect(asDiskError(full).cause).toBe(full);
    expect(asDiskError(Object.assign(new Error("EIO"), { code: "EIO" }))).toBeInstanceOf(DiskFaultError);
  });

  test("a host's disks and page stores are apart by name and kind", async () => {
    const host = new NodeHost("segment-a1", directory);
    const [log, pages] = [await host.openDisk("main"), await host.openPageStore("main")];
    await log.create("f", 10);
    await new Promise<void>((resolve) => pages.put([[1, new Uint8Array(5)]], () => resolve()));
    expect(pages.count()).toBe(1);
    expect((await log.list()).length).toBe(1);
    await log.close();
    await pages.close();
    expect(new Set([host.entropy(), host.entropy(), host.entropy()]).size).toBeGreaterThan(1);
  });
});

test("a callback that throws does not silence later timers", async () => {
  const clock = new NodeClock();
  const uncaught: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  try {
    const start = performance.now();
    await new Promise<void>((resolve) => {
      clock.after(1, () => {
        throw new Error("broken callback");
      });
      clock.after(3, resolve);
    });
    expect(performance.now() - start).toBeGreaterThanOrEqual(3);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
  expect(uncaught).toHaveLength(1);
});
