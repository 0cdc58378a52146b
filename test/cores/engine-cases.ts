/** The engine on pages in memory, its storage deciding at once: trees, validation, entries built and committed. */
import { assert, lsn, NONE, streamId, transactionId } from "@sixfold/model";
import { Engine, type EngineEffect, type EngineResult, type TxHandle } from "@sixfold/engine";
import type { Case } from "./measure.ts";

const ROWS = 100_000;
const STREAM = streamId(1);
const TABLE = "rows";

const encoder = new TextEncoder();
const keyOf = (n: number): Uint8Array => encoder.encode(`user${String(n).padStart(12, "0")}`);
const KEYS = Array.from({ length: ROWS }, (_, n) => keyOf(n));
const VALUES = Array.from({ length: 64 }, (_, n) => new Uint8Array(100).fill(n));
/** Far from the one before, so that no leaf stays at hand. */
const some = (n: number): number => (n * 7919) % ROWS;

type Ask = (engine: Engine, request: number) => void;

class Instant {
  private readonly engine: Engine;
  private requests = 0;
  private transactions = 0;

  constructor() {
    this.engine = new Engine({
      geometry: { pageBytes: 8192, segmentBytes: 1 << 28 },
      ...{ poolPages: 100_000, conflicts: "row", seed: 1 },
    });
    this.engine.open(STREAM, true, lsn(1), 0);
    const made = this.ask((engine, request) => engine.createTable(request, this.id(), TABLE, 0));
    assert(made.kind === "committed", "the table is made");
    for (let n = 0; n < ROWS; n += 100) {
      const writes = KEYS.slice(n, n + 100).map((key) => ({ table: TABLE, key, value: VALUES[0]! }));
      this.ask((engine, request) => engine.commit(request, { tx: this.handle(), writes }, 0));
    }
  }

  ask(make: Ask): EngineResult {
    let result: EngineResult | undefined;
    this.engine.newTurn(0);
    make(this.engine, ++this.requests);
    const { effects } = this.engine;
    for (let i = 0; i < effects.length; i++) result = this.take(effects[i]!) ?? result;
    effects.length = 0;
    assert(result !== undefined && result.kind !== "failed", "every request is answered at once");
    return result;
  }

  id(): TxHandle["id"] {
    return transactionId(`1-${++this.transactions}`);
  }

  handle(): TxHandle {
    return { id: this.id(), isolation: "snapshot", consistency: "session", began: false };
  }

  private take(effect: EngineEffect): EngineResult | undefined {
    switch (effect.kind) {
      case "load": {
        const { pages, readPoint } = effect;
        const empty = pages.map((page) => ({ page, image: undefined, version: NONE, readPoint }));
        this.engine.pagesLoaded(empty, 0);
        return undefined;
      }
      case "submit":
        this.engine.decided(effect.entry.lsn, "commit", undefined, 0);
        this.engine.advance(STREAM, effect.entry.lsn, 0);
        return undefined;
      case "reply":
        return effect.result;
      default:
        throw new Error(`nothing is lost here: ${effect.kind}`);
    }
  }
}

export function engineCases(): Case[] {
  let made: Instant | undefined;
  const instant = (): Instant => (made ??= new Instant());
  let n = 0;
  const each =
    (make: (n: number) => Ask): Case["run"] =>
    (times) => {
      let last: EngineResult | undefined;
      for (let i = 0; i < times; i++) last = instant().ask(make(n++));
      return last;
    };
  const put = (at: number, key: Uint8Array) => ({ table: TABLE, key, value: VALUES[at & 63]! });
  return [
    {
      name: "engine: get a row",
      run: each((at) => (engine, request) => {
        engine.get(request, { table: TABLE, keys: [KEYS[some(at)]!], forUpdate: false }, 0);
      }),
    },
    {
      name: "engine: scan 100 rows",
      run: each((at) => (engine, request) => {
        engine.scan(request, { table: TABLE, gte: KEYS[some(at)]!, limit: 100 }, 0);
      }),
    },
    {
      name: "engine: update a row",
      run: each((at) => (engine, request) => {
        engine.commit(request, { tx: instant().handle(), writes: [put(at, KEYS[some(at)]!)] }, 0);
      }),
    },
    {
      name: "engine: a transaction that reads two rows, then updates them",
      run: each((at) => (engine, request) => {
        const tx = instant().handle();
        const keys = [KEYS[some(at)]!, KEYS[some(at + 31)]!];
        instant().ask((e, r) => e.get(r, { tx, table: TABLE, keys, forUpdate: false }, 0));
        const writes = keys.map((key) => put(at, key));
        engine.commit(request, { tx: { ...tx, began: true }, writes }, 0);
      }),
    },
    {
      name: "engine: the same as a procedure",
      run: each((at) => (engine, request) => {
        const run = (rows: Parameters<Parameters<Engine["call"]>[1]["run"]>[0]): void => {
          for (const key of [KEYS[some(at)]!, KEYS[some(at + 31)]!]) {
            rows.get(TABLE, key);
            rows.put(TABLE, key, VALUES[at & 63]!);
          }
        };
        engine.call(request, { tx: instant().id(), isolation: "snapshot", run }, 0);
      }),
    },
  ];
}
