import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { encodeMessage } from "@sixfold/wire";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { connect } from "./connect.ts";
import { FakeCluster, VOLUME_TAG, type FakeNode, type FakePeer } from "./testing/fake-cluster.ts";

const servers: WebSocketServer[] = [];

/** The node behind a real WebSocket on loopback. */
async function serve(node: FakeNode): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  servers.push(server);
  server.on("connection", (socket: WebSocket) => {
    const peer: FakePeer = {
      deliver: (message) => socket.send(encodeMessage(message, VOLUME_TAG)),
      end: (reason) => socket.close(1000, reason),
    };
    node.links.push(peer);
    socket.on("message", (data) => node.receive(peer, data as Buffer));
    socket.on("close", () => node.forget(peer));
  });
  await once(server, "listening");
  node.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  }
});

describe("connect, over WebSockets", () => {
  test("reads, writes, transactions and scans", async () => {
    const cluster = new FakeCluster();
    await serve(cluster.add("writer-1", "writer"));
    await serve(cluster.add("writer-2", "writer"));
    const db = await connect(cluster.urls);
    const big = new Uint8Array(1_000_000).fill(5);
    await db.put("t", "big", big);
    expect(await db.get("t", "big")).toEqual(big);
    await Promise.all(
      Array.from({ length: 30 }, () =>
        db.transaction(async (tx) => tx.put("t", "n", ((await tx.get<number>("t", "n")) ?? 0) + 1), {
          retry: { attempts: 1000 },
        }),
      ),
    );
    expect(await db.get("t", "n")).toBe(30);
    for (let i = 0; i < 200; i++) void db.put("rows", i, i);
    await db.put("rows", 200, 200);
    const rows: unknown[] = [];
    for await (const [key] of db.scan("rows", { reverse: true, limit: 150 })) rows.push(key);
    expect(rows).toEqual(Array.from({ length: 150 }, (_, i) => 200 - i));
    expect(db.nodes().map((n) => [n.name, n.connected])).toEqual([
      ["writer-1", true],
      ["writer-2", true],
    ]);
    expect(await db.status("writer-2")).toEqual({ node: "writer-2" });
    await db.close();
  });

  test("a lost node is left for another, and nobody is there is an error", async () => {
    const cluster = new FakeCluster();
    const server = await serve(cluster.add("writer-1", "writer"));
    await serve(cluster.add("writer-2", "writer"));
    const db = await connect(cluster.urls);
    const work = Promise.all(Array.from({ length: 50 }, (_, i) => db.put("t", i, i)));
    for (const socket of server.clients) socket.terminate();
    server.close();
    await work;
    expect(cluster.rows.size).toBe(50);
    await db.close();
    await expect(connect([cluster.nodes[0]!.url], { connectTimeoutMs: 100 })).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  test("a wrong token", async () => {
    const cluster = new FakeCluster();
    cluster.token = "secret";
    await serve(cluster.add("writer-1", "writer"));
    await expect(connect(cluster.urls, { token: "guess" })).rejects.toMatchObject({ code: "unauthorized" });
    await (await connect(cluster.urls, { token: "secret" })).close();
  });
});
