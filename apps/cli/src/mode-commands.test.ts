import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestPlatform } from "./test-platform.fixture.ts";

/** What a node says of itself, and answers to what it is told. */
interface Node {
  readonly name: string;
  readonly role: "writer" | "replica";
  status: Record<string, unknown>;
  answer: (path: string, body: Record<string, unknown>) => object;
}

let dir: string;
let servers: Server[];
const told: string[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sixfold-cli-"));
  servers = [];
  told.length = 0;
});
afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

/** Nodes that answer, in the data folder of a cluster that seems to run. */
async function running(...nodes: readonly Node[]): Promise<void> {
  const listed = [];
  for (const node of nodes) {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => void (body += chunk.toString()));
      request.on("end", () => {
        response.setHeader("connection", "close");
        if (request.method !== "POST") return response.end(JSON.stringify(node.status));
        told.push(`${node.name} ${request.url} ${body}`);
        return response.end(
          JSON.stringify(node.answer(request.url!, JSON.parse(body) as Record<string, unknown>)),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    listed.push({ name: node.name, role: node.role, az: "a", pid: process.pid, url });
  }
  await writeFile(join(dir, "running.json"), JSON.stringify({ nodes: listed }));
}

function node(name: string, status: Record<string, unknown>, answer: Node["answer"] = () => ({})): Node {
  const role = name.startsWith("writer") ? "writer" : "replica";
  const volume = { revision: 7 };
  const known = { name, role, ready: true, mode: "single", nextMode: "single", stream: 0, volume };
  return { name, role, status: { ...known, ...status }, answer };
}

const writing = { state: "writing", stream: 3, applied: { 3: 100 } };

describe("failover", () => {
  const done: Node["answer"] = (_path, { to }) => ({ from: "writer-1", to, withoutWriterMs: 12.4 });

  test("goes to the standby that shows most, although a replica shows more", async () => {
    await running(
      node("writer-1", writing, done),
      node("writer-2", { state: "standby", applied: { 3: 80 } }),
      node("writer-3", { state: "standby", applied: { 3: 90 } }),
      node("replica-1", { state: "following", applied: { 3: 100 } }),
    );
    const platform = new TestPlatform();
    expect(await platform.run("failover", "--data", dir, "--json")).toBe(0);
    expect(told).toEqual(['writer-1 /failover {"to":"writer-3"}']);
    expect(platform.objects).toEqual([
      { event: "handing-over", from: "writer-1", to: "writer-3" },
      { event: "failover", from: "writer-1", to: "writer-3", withoutWriterMs: 12 },
    ]);
  });

  test("to a node that is named; what the writer has against it is said", async () => {
    await running(
      node("writer-1", writing, () => ({ refused: "writer-9 is not up, or unknown" })),
      node("writer-2", { state: "standby" }),
    );
    const platform = new TestPlatform();
    expect(await platform.run("failover", "writer-9", "--data", dir)).toBe(1);
    expect(told).toEqual(['writer-1 /failover {"to":"writer-9"}']);
    expect(platform.stderr).toMatch(/writer-9 is not up/);
  });

  test("has nothing to do in mode multi, and says what has", async () => {
    await running(node("writer-1", { ...writing, mode: "multi" }), node("writer-2", writing));
    const platform = new TestPlatform();
    expect(await platform.run("failover", "--data", dir)).toBe(1);
    expect([told, platform.stderr]).toEqual([[], expect.stringMatching(/mode multi.*sixfold stop/)]);
  });

  test("without a cluster, or a writer, says so", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("failover", "--data", dir)).toBe(1);
    expect(platform.stderr).toMatch(/no cluster runs on/);
    await running(node("writer-1", { state: "standby" }));
    const other = new TestPlatform();
    expect(await other.run("failover", "--data", dir)).toBe(1);
    expect(other.stderr).toMatch(/no node writes now/);
  });
});

describe("mode", () => {
  test("asks one node, and waits until all writers serve in it", async () => {
    const first = node("writer-1", { ...writing });
    const second = node("writer-2", { state: "standby" });
    let looks = 0;
    first.answer = () => {
      first.status = { ...first.status, nextMode: "multi" };
      return { mode: "multi" };
    };
    // It closes its stream, the mode changes, and one of two writers is faster than the other.
    const steps = [
      { stream: 0, state: "opening" },
      { mode: "multi", stream: 4, state: "writing", volume: { revision: 8 } },
    ];
    const status = second.status;
    Object.defineProperty(second, "status", {
      get: () => {
        if (first.status["nextMode"] !== "multi") return status;
        Object.assign(first.status, steps[Math.min(looks, 1)]);
        return { ...status, mode: "multi", ...(looks++ > 2 ? { stream: 5, state: "writing" } : {}) };
      },
    });
    await running(first, second);
    const platform = new TestPlatform();
    expect(await platform.run("mode", "multi", "--data", dir, "--json")).toBe(0);
    expect(told).toEqual(['writer-1 /mode {"mode":"multi"}']);
    expect(platform.objects[0]).toEqual({ event: "switching", mode: "multi" });
    expect(platform.objects.at(-1)).toMatchObject({
      ...{ event: "mode", mode: "multi", from: "single", changed: true },
    });
    expect(platform.objects.filter(({ event }) => event === "progress").length).toBeGreaterThan(0);
  });

  test("that the volume is in changes nothing", async () => {
    await running(node("writer-1", writing));
    const platform = new TestPlatform();
    expect(await platform.run("mode", "single", "--data", dir)).toBe(0);
    expect([told, platform.stdout]).toEqual([[], expect.stringMatching(/in mode single already/)]);
  });

  test("must be one of two", async () => {
    const platform = new TestPlatform();
    expect(await platform.run("mode", "both", "--data", dir)).toBe(2);
    expect(platform.stderr).toMatch(/single, multi/);
  });
});
