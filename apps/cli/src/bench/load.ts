/**
 * The database's points on a running cluster: rows loaded once, then for each point clients in closed loops through one
 * window, and the ledger compared with the rows through every writer.
 *
 * Clients live in this process. Each belongs to one writer (in turn) and talks only to that; a few share a connection.
 */
import type { ClusterNode } from "@sixfold/cluster";
import { isRetryable, Random, SixfoldError } from "@sixfold/model";
import { catchUp, type Verdict } from "@sixfold/workload";
import { CLIENTS_PER_CONNECTION, verdictOfAll } from "../measured-clients.ts";
import type { ConnectedDatabase, Platform } from "../platform.ts";
import { KeyDraw, type KeyOptions } from "./keys.ts";
import { Ledger, tallyTable } from "./ledger.ts";
import { type Meter, measureWindow, type WindowFigures } from "./measure.ts";
import type { BenchPoint } from "./points.ts";
import type { BenchKey } from "./procedures.ts";
import type { Figures } from "./result.ts";
import {
  changesOf,
  type ClientContext,
  INSERTED_TABLE,
  ROWS_TABLE,
  transactionOptions,
  transactOf,
} from "./transactions.ts";

export interface LoadOptions {
  readonly keys: Omit<KeyOptions, "writers">;
  /** How many rows an update changes. */
  readonly updateRows: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
  /** Aborted when there is nothing more to measure, be it that a process died. */
  readonly signal: AbortSignal;
}

const MOST_CONNECTIONS = 4;
const ROWS_PER_LOAD = 500;
const LOADS_AT_ONCE = 4;
const ROWS_PER_TALLY = 4_000;

export class LoadedCluster {
  private readonly platform: Platform;
  private readonly nodes: readonly ClusterNode[];
  private readonly writers: readonly ClusterNode[];
  private readonly options: LoadOptions;
  private readonly keys: KeyDraw;
  private readonly updates = new Ledger();
  private readonly inserts = new Ledger();
  private serial = 0;

  private constructor(platform: Platform, nodes: readonly ClusterNode[], options: LoadOptions) {
    this.platform = platform;
    this.nodes = nodes;
    this.writers = nodes.filter((node) => node.role === "writer");
    this.options = options;
    this.keys = new KeyDraw({ ...options.keys, writers: this.writers.length });
  }

  /** Makes the tables and the rows. */
  static async load(
    platform: Platform,
    nodes: readonly ClusterNode[],
    options: LoadOptions,
    progress: (rows: number) => void,
  ): Promise<LoadedCluster> {
    const cluster = new LoadedCluster(platform, nodes, options);
    const db = await platform.connect([cluster.writers[0]!.url], 0);
    // Whoever waits for a node that died is told at once.
    const close = (): void => void db.close();
    options.signal.addEventListener("abort", close);
    try {
      await db.createTable(ROWS_TABLE);
      await db.createTable(INSERTED_TABLE);
      await loadRows(db, options.keys.rows, options.signal, progress);
    } catch (error) {
      options.signal.throwIfAborted();
      throw error;
    } finally {
      options.signal.removeEventListener("abort", close);
      await db.close();
    }
    return cluster;
  }

  async measure(point: BenchPoint): Promise<Figures> {
    return this.withPools(point, async (pools) => {
      const figures = await this.runWindow(point, pools, {});
      return { ...figures, invariant: await verdictOfAll(pools, (db) => this.verdictOf(point, db)) };
    });
  }

  /** Runs the point's clients for so long, and measures nothing. */
  async warmUp(point: BenchPoint, warmUpSeconds: number): Promise<void> {
    await this.withPools(point, (pools) => this.runWindow(point, pools, { warmUpSeconds, seconds: 0 }));
  }

  private runWindow(
    point: BenchPoint,
    pools: readonly (readonly ConnectedDatabase[])[],
    times: { readonly warmUpSeconds?: number; readonly seconds?: number },
  ): Promise<WindowFigures> {
    const window = { ...this.options, ...times, nodes: this.nodes };
    return measureWindow(window, (meter) => this.runClients(point, pools, meter));
  }

  private async withPools<T>(
    point: BenchPoint,
    use: (pools: readonly (readonly ConnectedDatabase[])[]) => Promise<T>,
  ): Promise<T> {
    const pools = await this.connect(point);
    try {
      return await use(pools);
    } finally {
      await Promise.all(pools.flat().map((db) => db.close()));
    }
  }

  /** Of each writer, its connections; each of them sees what was loaded. */
  private async connect(point: BenchPoint): Promise<ConnectedDatabase[][]> {
    const clients = Math.ceil(point.clients / this.writers.length);
    const connections = Math.min(MOST_CONNECTIONS, Math.ceil(clients / CLIENTS_PER_CONNECTION));
    return Promise.all(
      this.writers.map(({ url }, writer) =>
        Promise.all(
          Array.from({ length: connections }, async () => {
            const db = await this.platform.connect([url], writer);
            await catchUp(db, ROWS_TABLE);
            return db;
          }),
        ),
      ),
    );
  }

  private async runClients(
    point: BenchPoint,
    pools: readonly (readonly ConnectedDatabase[])[],
    meter: Meter,
  ): Promise<void> {
    const options = transactionOptions(meter);
    const clients = Array.from({ length: point.clients }, (_, i) => {
      const writer = i % pools.length;
      const pool = pools[writer]!;
      const context: ClientContext = {
        db: pool[Math.floor(i / pools.length) % pool.length]!,
        writer,
        writers: pools.length,
        random: new Random(this.options.seed + (this.serial + i + 1) * 2 ** 32),
        keys: this.keys,
        rows: this.options.keys.rows,
        updateRows: this.options.updateRows,
        ledger: this.ledgerOf(point),
        meter,
        options,
        serial: () => ++this.serial,
      };
      return runClient(point, context);
    });
    this.serial += point.clients;
    await Promise.all(clients);
  }

  private async verdictOf(point: BenchPoint, db: ConnectedDatabase): Promise<Verdict> {
    const ledger = this.ledgerOf(point);
    if (point.tx === "insert") {
      const { rows } = await tallyTable(
        db,
        INSERTED_TABLE,
        insertedRanges(this.writers.length + 1, ledger.expected),
      );
      return ledger.verdict(db, "inserted rows", rows);
    }
    const { rows, updates } = await tallyTable(db, ROWS_TABLE, rowRanges(this.options.keys.rows));
    if (rows !== this.options.keys.rows) return `broken: ${rows} rows, not ${this.options.keys.rows}`;
    return ledger.verdict(db, "updates in the rows", updates);
  }

  private ledgerOf(point: BenchPoint): Ledger {
    return point.tx === "insert" ? this.inserts : this.updates;
  }
}

/** A closed loop until `meter.stopped`. Throws what no client can expect. */
async function runClient(point: BenchPoint, client: ClientContext): Promise<void> {
  const transact = transactOf(point);
  const changes = changesOf(point.tx, client.updateRows);
  const { meter } = client;
  while (!meter.stopped) {
    const beganMs = performance.now();
    try {
      await transact(client);
      client.ledger.commit(changes);
      meter.commit(performance.now() - beganMs);
    } catch (error) {
      if (!(error instanceof SixfoldError)) throw error;
      if (error.outcome === "unknown") client.ledger.doubt(error, changes);
      else if (!isRetryable(error)) throw error;
      meter.abort();
    }
  }
}

async function loadRows(
  db: ConnectedDatabase,
  rows: number,
  signal: AbortSignal,
  progress: (rows: number) => void,
): Promise<void> {
  let next = 0;
  let done = 0;
  const loader = async (): Promise<void> => {
    while (next < rows) {
      signal.throwIfAborted();
      const from = next;
      next = Math.min(rows, next + ROWS_PER_LOAD);
      const to = next;
      await db.call("load", ROWS_TABLE, from, to);
      done += to - from;
      progress(done);
    }
  };
  await Promise.all(Array.from({ length: LOADS_AT_ONCE }, loader));
}

function* rowRanges(rows: number): Generator<readonly [BenchKey, BenchKey]> {
  for (let from = 0; from < rows; from += ROWS_PER_TALLY) yield [[from], [from + ROWS_PER_TALLY]];
}

/** Random places lie evenly, so equal slices of them hold about equally many rows. */
function* insertedRanges(parts: number, expected: number): Generator<readonly [BenchKey, BenchKey]> {
  const slices = Math.max(1, Math.ceil(expected / parts / ROWS_PER_TALLY));
  const edge = (slice: number): number => Math.floor((slice * 2 ** 32) / slices);
  for (let part = 0; part < parts; part++)
    for (let slice = 0; slice < slices; slice++)
      yield [
        [part, edge(slice)],
        [part, edge(slice + 1)],
      ];
}
