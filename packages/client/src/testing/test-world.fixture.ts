/** A cluster in memory, a client of it, and time that passes only when both wait. */
import { Random, SixfoldError, type ErrorCode } from "@sixfold/model";
import { AsyncLocalStorage } from "node:async_hooks";
import { expect } from "vitest";
import { connectOn } from "../connect-on.ts";
import type { ConnectOptions, Database } from "../options.ts";
import { FakeCluster } from "./fake-cluster.ts";
import { TestClock } from "./test-clock.ts";

const scope = new AsyncLocalStorage<object>();

export class TestWorld {
  readonly cluster = new FakeCluster();
  readonly clock = new TestClock();
  private readonly opened: Database[] = [];

  async connected(urls = this.cluster.urls, options: ConnectOptions = {}): Promise<Database> {
    const random = new Random(this.opened.length + 1);
    const randomBytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => random.int(256));
    const ports = { network: this.cluster, clock: this.clock, randomBytes, scope };
    const db = await this.clock.run(connectOn(ports, urls, options));
    this.opened.push(db);
    return db;
  }

  /** The error that `work` fails with. */
  async rejection(work: Promise<unknown>, code: ErrorCode): Promise<SixfoldError> {
    const error: unknown = await this.clock.run(work).then(
      () => expect.fail("it succeeded"),
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(SixfoldError);
    expect((error as SixfoldError).code).toBe(code);
    return error as SixfoldError;
  }

  /** Closes the clients, after which nothing may be left that waits for time. */
  async end(): Promise<void> {
    for (const db of this.opened) await db.close();
    expect(this.clock.timersSet).toBe(0);
  }
}

export async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const row of rows) out.push(row);
  return out;
}
