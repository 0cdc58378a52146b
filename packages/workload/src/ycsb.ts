/**
 * The core workloads A, B and F of the Yahoo! Cloud Serving Benchmark (Cooper et al., SoCC 2010, table 2).
 *
 *     A  50 % read, 50 % update               session store
 *     B  95 % read,  5 % update               photo tagging
 *     F  50 % read, 50 % read-modify-write    user database
 *
 * Requests are scrambled zipfian (theta 0.99) inside the part that the shared fraction chooses. Records have ten
 * fields of 100 bytes. An update writes the whole record without reading it (the YCSB's `writeallfields=true`: Sixfold's
 * unit is the row), a read-modify-write changes one field of what it read.
 *
 * Invariants: every record ever read is intact (I4). At the end each record was read-modified-written as often as was
 * acknowledged (I9), and the write that it shows did not end before another acknowledged write of it began (I1, I3):
 * blind writes may overwrite one another, but not the later by the earlier.
 */
import { Random } from "@sixfold/model";
import { clientRandom } from "./client-choices.ts";
import { attempt, type Operation } from "./attempt.ts";
import type { RowKey, WorkloadDatabase } from "./database-face.ts";
import { KeyParts } from "./key-parts.ts";
import { Ledger, unexpected } from "./ledger.ts";
import { nameOf } from "./row-keys.ts";
import { loadRows } from "./load-rows.ts";
import { FIELD_BYTES, FIELDS, isIntact, makeRecord, type Record, TextPool, withField } from "./record.ts";
import { Violations } from "./violations.ts";
import type { RunContext, Verdict, Workload, WorkloadName, WorkloadOptions } from "./workload.ts";
import { ScrambledZipfian } from "./zipfian.ts";

const DEFAULT_RECORDS = 10_000;
const LOADER = -1;

/**
 * Acknowledged writes of one record. Moments are a count of all beginnings and ends in the run: exact, and no
 * clock's business.
 */
interface WriteHistory {
  /** The latest moment at which an acknowledged write began. */
  lastBegin: number;
  /** Of each author its last acknowledged write; its earlier ones cannot be what the record shows. */
  readonly lastOf: Map<number, { readonly serial: number; readonly end: number }>;
}

interface Authorship {
  readonly author: number;
  readonly serial: number;
}

interface Mix {
  readonly readFraction: number;
  readonly write: "update" | "read-modify-write";
}

const MIXES = {
  "ycsb-a": { readFraction: 0.5, write: "update" },
  "ycsb-b": { readFraction: 0.95, write: "update" },
  "ycsb-f": { readFraction: 0.5, write: "read-modify-write" },
} as const satisfies { [name: string]: Mix };

export class Ycsb implements Workload {
  readonly name: WorkloadName;
  private readonly mix: Mix;
  private readonly parts: KeyParts;
  private readonly rows: ScrambledZipfian;
  private readonly options: WorkloadOptions;
  private readonly fieldBytes: number;
  private readonly texts: TextPool;
  private readonly ledger = new Ledger();
  private readonly seen = new Violations();
  private readonly histories = new Map<string, WriteHistory>();
  /** Writes that ended without an answer: they may come true late, after others of the same author. */
  private readonly doubted = new Set<string>();
  private moment = 0;

  constructor(name: keyof typeof MIXES, options: WorkloadOptions) {
    this.name = name;
    this.mix = MIXES[name];
    this.options = options;
    this.fieldBytes = options.fieldBytes ?? FIELD_BYTES;
    this.parts = new KeyParts({ ...options, records: options.records ?? DEFAULT_RECORDS });
    this.rows = new ScrambledZipfian(this.parts.rowsPerPart);
    this.texts = new TextPool(new Random(options.seed));
  }

  writerOf(client: number): number {
    return this.parts.writerOf(client);
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    await loadRows(db, this.options.table, this.firstRecords());
  }

  async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    const random = clientRandom(this.options.seed, client);
    const writer = this.writerOf(client);
    for (let serial = 1; !context.stopped(); serial++) {
      const key: RowKey = [this.parts.choosePart(writer, random), this.rows.next(random)];
      if (random.chance(this.mix.readFraction)) await this.read(db, key, context);
      else await this.write(db, key, { author: client, serial }, random, context);
    }
  }

  audit(db: WorkloadDatabase): Promise<Verdict> {
    return this.judgeRecords(db, () => undefined);
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    const seen = this.seen.summary();
    if (seen !== undefined) return `broken: ${seen}`;
    await this.ledger.settle(db);
    const counted = this.mix.write === "read-modify-write";
    return this.judgeRecords(db, (name, record) => {
      const wrong = counted ? unexpected(record.changes, this.ledger.changesOf(name)) : undefined;
      if (wrong !== undefined) return `record ${name} was changed ${wrong} times`;
      return this.judgeAuthor(name, record);
    });
  }

  private async read(db: WorkloadDatabase, key: RowKey, context: RunContext): Promise<void> {
    const { table, isolation, consistency } = this.options;
    const operation: Operation = {
      as: "interactive",
      isolation,
      consistency,
      body: (tx) => tx.get<Record>(table, key),
    };
    const result = await attempt(db, operation, context);
    if (result.outcome === "committed" && !isIntact(result.value as Record | undefined))
      this.seen.note(`record ${nameOf(key)} was read torn or not at all`);
  }

  private async write(
    db: WorkloadDatabase,
    key: RowKey,
    by: Authorship,
    random: Random,
    context: RunContext,
  ): Promise<void> {
    const operation =
      this.mix.write === "update" ? this.update(key, by, random) : this.readModifyWrite(key, by, random);
    const begin = ++this.moment;
    const result = await attempt(db, operation, context);
    const end = ++this.moment;
    const name = nameOf(key);
    if (result.outcome === "committed") {
      if (result.value === false) return this.seen.note(`record ${name} was read torn or not at all`);
      this.ledger.commit([name]);
      let history = this.histories.get(name);
      if (history === undefined) this.histories.set(name, (history = { lastBegin: 0, lastOf: new Map() }));
      history.lastBegin = Math.max(history.lastBegin, begin);
      history.lastOf.set(by.author, { serial: by.serial, end });
    } else if (result.outcome === "unknown") {
      this.ledger.doubt(result.transaction, [name]);
      this.doubted.add(`${by.author}/${by.serial}`);
    }
  }

  /** Whether the write that `record` shows can be the last one. */
  private judgeAuthor(name: string, record: Record): string | undefined {
    const history = this.histories.get(name);
    if (history === undefined) return undefined;
    if (record.author === LOADER)
      return `record ${name} is as loaded, although a write of it was acknowledged`;
    const last = history.lastOf.get(record.author);
    if (this.doubted.has(`${record.author}/${record.serial}`)) return undefined;
    if (last === undefined || record.serial > last.serial)
      return `record ${name} is write ${record.serial} of client ${record.author}, which was never acknowledged`;
    const shown = `record ${name} is write ${record.serial} of client ${record.author}`;
    if (record.serial < last.serial) return `${shown}, whose write ${last.serial} of it was acknowledged`;
    if (last.end < history.lastBegin) return `${shown}, although a later one was acknowledged`;
    return undefined;
  }

  private update(key: RowKey, by: Authorship, random: Random): Operation {
    const { table, as, isolation, consistency } = this.options;
    const record = makeRecord({ ...by, fields: this.texts.fields(this.fieldBytes, random), changes: 0 });
    return {
      as,
      isolation,
      consistency,
      procedure: "recordUpdate",
      args: [table, key, record],
      body: async (tx) => tx.put(table, key, record),
    };
  }

  private readModifyWrite(key: RowKey, by: Authorship, random: Random): Operation {
    const { table, as, isolation, consistency } = this.options;
    const change = { ...by, field: random.int(FIELDS), text: this.texts.text(this.fieldBytes, random) };
    return {
      as,
      isolation,
      consistency,
      procedure: "recordReadModifyWrite",
      args: [table, key, change],
      body: async (tx) => {
        const record = await tx.get<Record>(table, key);
        if (!isIntact(record)) return false;
        tx.put(table, key, withField(record, change));
        return true;
      },
    };
  }

  private *firstRecords(): Generator<readonly [RowKey, Record]> {
    const random = new Random(this.options.seed);
    for (const key of this.parts.keys()) {
      const fields = this.texts.fields(this.fieldBytes, random);
      yield [key, makeRecord({ fields, author: LOADER, serial: 0, changes: 0 })];
    }
  }

  /** Reads all records at one snapshot; each must be intact and pass `judge`. */
  private judgeRecords(
    db: WorkloadDatabase,
    judge: (name: string, record: Record) => string | undefined,
  ): Promise<Verdict> {
    const { table } = this.options;
    return db.transaction(
      async (tx): Promise<Verdict> => {
        let records = 0;
        for (const part of this.parts.parts) {
          // A part at a time, so that the key need not be decoded: rows come in the order of their numbers.
          let row = 0;
          for await (const [, record] of tx.scan<Record>(table, {
            gte: [part],
            lt: [part, this.parts.rowsPerPart],
          })) {
            const name = nameOf([part, row++]);
            records++;
            if (!isIntact(record)) return `broken: record ${name} is torn`;
            const wrong = judge(name, record);
            if (wrong !== undefined) return `broken: ${wrong}`;
          }
        }
        return records === this.parts.rows ? "ok" : `broken: ${records} records, not ${this.parts.rows}`;
      },
      { consistency: "cluster" },
    );
  }
}
