/**
 * `tables`: tables created, filled, scanned and dropped, while others do the same to the same catalog and some to the same
 * tables.
 *
 * Each client has a few names of its own, of which it knows everything: whether the table is there, and its rows. Shared
 * names belong to all: a client that uses one may find it gone at any time, with the error `unknown-table` and no other.
 * Now and then one transaction writes to a table of its own and to a shared one: if that is gone, neither may be written.
 *
 * Invariants: own tables have exactly the rows put since they were created, also those created again under an old name; a shared
 * one shows nothing that was put, and acknowledged, before a drop began that is over (I1 to I4); at the end the catalog names the
 * tables that must be there and not the others.
 */
import type { ErrorCode, Random } from "@sixfold/model";
import type { OperationResult } from "./attempt.ts";
import type { WorkloadDatabase, WorkloadOperations, WorkloadTransaction } from "./database-face.ts";
import { type Client, SessionWorkload } from "./session-workload.ts";
import { OwnTable, SharedTable, type TableRow } from "./table-ledger.ts";
import { runInteractively, scan, type Rows } from "./transaction-steps.ts";
import type { WorkloadOptions } from "./workload.ts";

const OWN_NAMES = 2;
const SHARED_NAMES = 2;
const ROWS_MAX = 24;
/** A drop of so many rows leaves pages to be freed by later entries. */
const MANY_ROWS = 100;
const ROW_BYTES_MAX = 300;
/** Of each of many. */
const MANY_ROW_BYTES = 24;
const GONE: readonly ErrorCode[] = ["unknown-table"];

interface TableClient extends Client {
  readonly own: OwnTable[];
}

export class Tables extends SessionWorkload {
  readonly name = "tables";
  private readonly shared: SharedTable[];
  private readonly own: OwnTable[] = [];
  private lastSerial = 0;
  /** A count of all beginnings and ends: exact, and no clock's business. */
  private moment = 0;

  constructor(options: WorkloadOptions) {
    super(options);
    this.shared = Array.from(
      { length: SHARED_NAMES },
      (_, i) => new SharedTable(`${options.table}/shared-${i}`),
    );
  }

  protected begin(client: Client): () => Promise<void> {
    const { number, random } = client;
    const { table, sharedPct } = this.options;
    const own = Array.from({ length: OWN_NAMES }, (_, i) => new OwnTable(`${table}/own-${number}-${i}`));
    this.own.push(...own);
    const owner: TableClient = { ...client, own };
    return () =>
      random.chance(sharedPct / 100)
        ? this.useShared(client, random.pick(this.shared))
        : this.useOwn(owner, random.int(OWN_NAMES));
  }

  private async useOwn(client: TableClient, index: number): Promise<void> {
    const table = client.own[index]!;
    const { random } = client;
    if (table.state === "unknown") {
      // Nobody could say what became of it: the name is given up.
      client.own[index] = new OwnTable(`${table.name}+`);
      this.own.push(client.own[index]);
    } else if (table.state === "absent") {
      if (random.chance(0.2)) await this.expectGone(client, table);
      else await this.changeOwn(client, table, "create");
    } else {
      const kind = random.next();
      if (kind < 0.5) await this.fill(client, table, kind < 0.1 ? random.pick(this.shared) : undefined);
      else if (kind < 0.75) await this.scanOwn(client, table);
      else if (kind < 0.85) await this.changeOwn(client, table, "create");
      else await this.changeOwn(client, table, "drop");
    }
  }

  private async changeOwn(client: Client, table: OwnTable, how: "create" | "drop"): Promise<void> {
    const expected = table.state === (how === "create" ? "absent" : "present");
    const result = await request(client, (db) =>
      how === "create" ? db.createTable(table.name) : db.dropTable(table.name),
    );
    if (result.outcome === "unknown") table.lose();
    if (result.outcome !== "committed") return;
    // Undefined if the answer is lost.
    if (result.value !== undefined && result.value !== expected)
      this.seen.note(`to ${how} ${table.name}, which was ${table.state}, answered ${result.value === true}`);
    if (expected) table.become(how === "create" ? "present" : "absent");
  }

  private async expectGone(client: Client, table: OwnTable): Promise<void> {
    const result = await request(client, (db) => db.get(table.name, [0]), GONE);
    if (result.outcome === "committed") this.seen.note(`${table.name} was read, although it is dropped`);
  }

  private newRows(random: Random): TableRow[] {
    const areMany = random.chance(0.1);
    const rows = areMany ? MANY_ROWS : 1 + random.int(ROWS_MAX);
    const serial = ++this.lastSerial;
    const text = "x".repeat(1 + random.int(areMany ? MANY_ROW_BYTES : ROW_BYTES_MAX));
    return Array.from({ length: rows }, (_, i) => ({ serial, row: i, text }));
  }

  /** Puts rows into an own table, and the same into a shared one in the same transaction if there is one given. */
  private async fill(client: Client, table: OwnTable, beside: SharedTable | undefined): Promise<void> {
    const rows = this.newRows(client.random);
    const deleted = client.random.chance(0.3) ? [...table.rows.keys()].slice(0, ROWS_MAX) : [];
    const put = beside?.begin(rows[0]!.serial);
    const result = await this.transact(client, beside === undefined ? [] : GONE, async (tx) => {
      for (const row of deleted) tx.delete(table.name, [row]);
      for (const row of rows) tx.put(table.name, [row.row], row);
      if (beside !== undefined) for (const row of rows) tx.put(beside.name, [row.serial, row.row], row);
    });
    put?.end(result.outcome, ++this.moment);
    if (result.outcome === "unknown") table.lose();
    else if (result.outcome === "committed") table.change(deleted, rows);
  }

  private async scanOwn(client: Client, table: OwnTable): Promise<void> {
    const result = await this.transact(client, [], (tx) => runInteractively(tx, scan<TableRow>(table.name)));
    // A serializable one may be committed and its answer lost.
    if (result.value !== undefined) this.seen.note(table.judge(result.value as Rows<TableRow>));
  }

  private async useShared(client: Client, table: SharedTable): Promise<void> {
    const kind = client.random.next();
    if (kind < 0.2) {
      await request(client, (db) => db.createTable(table.name));
    } else if (kind < 0.35) {
      const begin = ++this.moment;
      const result = await request(client, (db) => db.dropTable(table.name));
      if (result.outcome === "committed" && result.value === true) table.dropped(begin, ++this.moment);
    } else if (kind < 0.7) {
      const rows = this.newRows(client.random);
      const put = table.begin(rows[0]!.serial);
      const result = await this.transact(client, GONE, async (tx) => {
        for (const row of rows) tx.put(table.name, [row.serial, row.row], row);
      });
      put.end(result.outcome, ++this.moment);
    } else {
      await this.scanShared(client, table);
    }
  }

  /** What is said of drops holds for those who see everything that was committed before they began. */
  private async scanShared(client: Client, table: SharedTable): Promise<void> {
    const atCluster = { consistency: "cluster" } as const;
    await this.transact(
      client,
      GONE,
      async (tx) => {
        const begin = ++this.moment;
        this.seen.note(table.judge(await runInteractively(tx, scan<TableRow>(table.name)), begin));
      },
      atCluster,
    );
  }

  private async transact(
    client: Client,
    expected: readonly ErrorCode[],
    body: (tx: WorkloadTransaction) => Promise<unknown>,
    promises = this.promises,
  ): Promise<OperationResult> {
    return client.session.settled(
      await client.session.attempt({
        as: "interactive",
        ...promises,
        expected,
        body,
      }),
    );
  }

  protected async judge(db: WorkloadDatabase): Promise<string | undefined> {
    for (const table of this.own) {
      if (table.state !== "present") continue;
      const rows = await db.transaction((tx) => runInteractively(tx, scan<TableRow>(table.name)), {
        consistency: "cluster",
      });
      const wrong = table.judge(rows);
      if (wrong !== undefined) return wrong;
    }
    return this.judgeNames(new Set(await db.listTables({ consistency: "cluster" })));
  }

  private judgeNames(names: ReadonlySet<string>): string | undefined {
    for (const { name, state } of this.own) {
      if (state === "present" && !names.has(name)) return `the catalog lacks ${name}`;
      if (state === "absent" && names.has(name)) return `the catalog has ${name}, which is dropped`;
    }
    return undefined;
  }
}

async function request(
  client: Client,
  run: (db: WorkloadOperations) => Promise<unknown>,
  expected: readonly ErrorCode[] = [],
): Promise<OperationResult> {
  return client.session.settled(await client.session.request(run, expected));
}
