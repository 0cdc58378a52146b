/**
 * A platform for tests: a cluster that is one `ReferenceDatabase`, streams that remember, and an HTTP server that
 * answers GET /status as nodes do, with counters that follow the database.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ClusterNode, ClusterOptions } from "@sixfold/cluster";
import { SixfoldError } from "@sixfold/model";
import { makePlan, simulate } from "@sixfold/simulation";
import { ReferenceDatabase, type ReferenceFault, type WorkloadOperations } from "@sixfold/workload";
import * as benchProcedures from "./bench/procedures.ts";
import type { ConnectedDatabase, Platform } from "./platform.ts";
import { run } from "./run.ts";

export interface TestPlatformOptions {
  readonly fault?: ReferenceFault;
  readonly terminal?: boolean;
  /** Starting the n-th cluster (1, 2 …) fails. */
  readonly failingStart?: number;
  /** What the cluster's monitor finds, if it is asked for: violations, in words. */
  readonly violations?: readonly string[];
  /** Instead of a look at real data. */
  readonly checkData?: Platform["checkData"];
}

export class TestPlatform {
  readonly started: ClusterOptions[] = [];
  readonly interruption = new AbortController();
  /** Called with the nodes of a cluster once it runs. */
  onStart: (nodes: readonly ClusterNode[]) => void = () => undefined;
  stdout = "";
  stderr = "";
  stopped = 0;
  rawStarted = 0;
  /** What is to run when the process ends. */
  readonly atExit = new Set<() => void>();
  private readonly options: TestPlatformOptions;
  private requests = 0;

  constructor(options: TestPlatformOptions = {}) {
    this.options = options;
  }

  run(...words: string[]): Promise<number> {
    return run(this.platform(), words, "1.2.3");
  }

  /** The JSON objects on stdout. */
  get objects(): Record<string, unknown>[] {
    const lines = this.stdout.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  private platform(): Platform {
    const isTTY = this.options.terminal ?? false;
    const databases = new Map<string, ReferenceDatabase>();
    return {
      stdout: { isTTY, write: (text) => void (this.stdout += text) },
      stderr: { isTTY, write: (text) => void (this.stderr += text) },
      signal: this.interruption.signal,
      atExit: (last) => {
        this.atExit.add(last);
        return () => void this.atExit.delete(last);
      },
      environment: { NO_COLOR: "1" },
      startCluster: (options, on) => this.startCluster(options, on, databases),
      startRawLog: () => this.startRawLog(),
      connect: async (endpoints) => remote(databases.get(endpoints[0]!)!),
      checkData: this.options.checkData ?? realCheck,
      startSimulator: async () => ({
        run: (seed, choices, line) => simulate(makePlan(seed, choices), { line }),
        close: async () => undefined,
      }),
    };
  }

  private async startCluster(
    options: ClusterOptions,
    on: Parameters<Platform["startCluster"]>[1],
    databases: Map<string, ReferenceDatabase>,
  ): ReturnType<Platform["startCluster"]> {
    this.started.push(options);
    if (this.started.length === this.options.failingStart) throw new Error("no port is free");
    const server = await this.serveStatus();
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const writers = Array.from({ length: options.writers ?? 2 }, (_, i) =>
      node(`writer-${i + 1}`, "writer", url),
    );
    const nodes = [...writers, node("segment-a1", "segment", url)];
    databases.set(url, new ReferenceDatabase(this.options.fault, benchProcedures));
    const endpoints = writers.map((writer) => writer.url);
    on({ event: "ready", mode: options.mode, endpoints, nodes });
    const violations = options.monitor === true ? (this.options.violations ?? []) : [];
    for (const text of violations)
      on({ event: "violation", condition: "votes-decide", rule: "I1", process: "writer-1", text });
    this.onStart(nodes);
    return {
      nodes,
      endpoints,
      violations: () => violations,
      stepsJudged: options.monitor === true ? 1_234 : 0,
      stop: async () => {
        this.stopped++;
        await new Promise((resolve) => server.close(resolve));
      },
      kill: () => undefined,
      start: async () => undefined,
      addNode: async (role, az) => this.added(on, nodes, { ...node(`${role}-3`, role, url), az: az ?? "c" }),
      addServer: async (az) =>
        this.added(on, nodes, { ...node("segment-a3", "segment", url), az: az ?? "a" }),
      stopNode: async (name, force) => {
        if (name === "writer-1" && force !== true)
          throw new SixfoldError("bad-request", `${name} is the only writer`);
        on({ event: "stopped", name, pid: 4242 });
      },
    };
  }

  private added(
    on: Parameters<Platform["startCluster"]>[1],
    nodes: ClusterNode[],
    added: ClusterNode,
  ): ClusterNode {
    nodes.push(added);
    on({ event: "added", ...added });
    return added;
  }

  /** Every record is durable in the next turn of the event loop. */
  private async startRawLog(): ReturnType<Platform["startRawLog"]> {
    this.rawStarted++;
    const server = await this.serveStatus();
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    let bytesSent = 0;
    return {
      nodes: [node("segment-a1", "segment", url)],
      get bytesSent() {
        return bytesSent;
      },
      append: (done) => {
        bytesSent += 1_200;
        setImmediate(done);
      },
      stop: async () => {
        this.stopped++;
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  private async serveStatus(): Promise<Server> {
    const server = createServer((_, response) => {
      const n = ++this.requests;
      response.setHeader("connection", "close");
      response.end(
        JSON.stringify({
          role: "writer",
          mode: "multi",
          state: "writing",
          ready: true,
          stream: 3,
          durable: 1_700,
          applied: { 3: 1_690 },
          engine: { commits: 12_345, rowConflicts: 6, pageConflicts: 7 },
          log: { blocks: n * 1_000, bytes: 4_096 },
          machine: { slicesTaken: 77 },
          segments: [{ pg: 0, streams: [{ stream: 3, scl: 1_701 }] }],
          traffic: { bytesSent: n * 1_000_000 },
        }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  }
}

/** A turn of the event loop before each request, as with a network: closed loops of promises alone would starve every timer. */
function remote(db: ReferenceDatabase): ConnectedDatabase {
  const far = async <R>(work: () => Promise<R>): Promise<R> => {
    await new Promise((resolve) => setImmediate(resolve));
    return work();
  };
  const operations: WorkloadOperations = {
    createTable: (table) => far(() => db.createTable(table)),
    dropTable: (table) => far(() => db.dropTable(table)),
    listTables: () => far(() => db.listTables()),
    get: (table, key) => far(() => db.get(table, key)),
    transaction: (body, options) => far(() => db.transaction(body, options)),
    call: (procedure, ...args) => far(() => db.call(procedure, ...args)),
    outcome: (transaction) => far(() => db.outcome(transaction)),
  };
  return { ...operations, session: () => operations, close: async () => undefined };
}

function node(name: string, role: ClusterNode["role"], url: string): ClusterNode {
  return { name, role, az: "a", pid: 4242, url };
}

/** Loaded when needed: it brings the whole cluster with it. */
const realCheck: Platform["checkData"] = async (options) =>
  (await import("@sixfold/cluster")).checkData(options);
