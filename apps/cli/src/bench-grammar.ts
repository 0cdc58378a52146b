/** The grammar of `sixfold bench`. What it does is in `bench-command.ts`. */
import { type Command, Option } from "commander";
import { LIMITS } from "@sixfold/model";
import { bench, type BenchFlags } from "./bench-command.ts";
import { BENCH_MODES, BENCH_STYLES, BENCH_TRANSACTIONS, SCAN_ROWS } from "./bench/points.ts";
import { ConsoleOutput } from "./console-output.ts";
import type { Platform } from "./platform.ts";
import { numberIn, numbersIn, oneOf, someOf } from "./usage.ts";

const MOST_CLIENTS = 4_096;
const MOST_ROWS = 50_000_000;
const MOST_UPDATE_ROWS = 10_000;
const MOST_POOL_PAGES = 8_000_000;

const HELP = `
Transactions:
  raw      append a record to the log: six syncing segment servers as always, but no database
  update   read a row, update it (or several, with --update-rows)
  rmw      read two rows, update both
  insert   a new row at a random key
  read     one row                           scan   ${SCAN_ROWS} rows

As procedure, a transaction is one message and runs whole at the writer. Interactively, the client reads, computes and commits.
Clients are closed loops in this process; each belongs to one writer, in turn, and draws its rows from that writer's part of the
table, or with --shared from all of it.

raw is measured before and after every round, so that a ratio to it means the same on a machine that others use, too.
Every point checks that the rows' counters sum to the acknowledged updates. Exit code 1 if they do not.

Examples:
  sixfold bench --quick
  sixfold bench --tx raw,rmw --as procedure --modes single --clients 32,128
  sixfold bench --tx raw,rmw --modes single,multi --shared 100 --hot 100 --key-order sorted
  sixfold bench --tx raw,update --modes multi --shared 100 --hot 1 --json`;

export function addBench(program: Command, platform: Platform): void {
  const command = program
    .command("bench")
    .description("Measure transactions on real local clusters against the log's own limit in the same run.");
  addPoints(command);
  addRows(command);
  addMeasuring(command);
  command
    .addHelpText("after", HELP)
    .action((flags: BenchFlags & { readonly json?: boolean }) =>
      bench(platform, new ConsoleOutput(platform, flags.json ?? false), flags),
    );
}

/** Which points. */
function addPoints(command: Command): void {
  command
    .option("--quick", "fewer and shorter points: under a minute in all", false)
    .addOption(
      new Option(
        "--tx <list>",
        `of ${BENCH_TRANSACTIONS.join(", ")} (default: all; quick: raw,rmw,read)`,
      ).argParser(someOf(BENCH_TRANSACTIONS)),
    )
    .addOption(
      new Option("--as <list>", `of ${BENCH_STYLES.join(", ")} (default: both)`).argParser(
        someOf(BENCH_STYLES),
      ),
    )
    .addOption(
      new Option("--modes <list>", `of ${BENCH_MODES.join(", ")} (default: both)`).argParser(
        someOf(BENCH_MODES),
      ),
    )
    .addOption(
      new Option("--writers <n>", "writers of a multi cluster")
        .argParser(numberIn({ min: 1, max: LIMITS.writers }))
        .default(2),
    )
    .addOption(
      new Option(
        "--clients <list>",
        "clients in all, each waiting for its answer (default: 1,8,32,128; quick: 32)",
      ).argParser(numbersIn({ min: 1, max: MOST_CLIENTS })),
    );
}

/** Which rows they use. */
function addRows(command: Command): void {
  command
    .addOption(
      new Option("--rows <n>", "rows of about 100 bytes (default: 100000; quick: 20000)").argParser(
        numberIn({ min: 2, max: MOST_ROWS }),
      ),
    )
    .addOption(
      new Option("--update-rows <n>", "rows that an update reads and changes")
        .argParser(numberIn({ min: 1, max: MOST_UPDATE_ROWS }))
        .default(1),
    )
    .addOption(
      new Option(
        "--pool-pages <n>",
        "pages of a writer's buffer pool: fewer than the rows take are read from storage",
      ).argParser(numberIn({ min: 16, max: MOST_POOL_PAGES })),
    )
    .addOption(
      new Option("--shared <pct>", "percentage of accesses to rows common to all writers")
        .argParser(numberIn({ min: 0, max: 100 }))
        .default(0),
    )
    .addOption(
      new Option("--hot <rows>", "use only so many of the rows").argParser(
        numberIn({ min: 1, max: MOST_ROWS }),
      ),
    )
    .addOption(
      new Option("--hot-layout <layout>", "hot rows spread over all pages, or dense on a few")
        .argParser(oneOf(["spread", "dense"] as const))
        .default("spread"),
    )
    .addOption(
      new Option("--key-order <order>", "the keys of a transaction as drawn, or sorted")
        .argParser(oneOf(["drawn", "sorted"] as const))
        .default("drawn"),
    )
    .option("--zipf", "draw rows by the YCSB's zipfian (0.99) instead of uniformly", false);
}

/** How they are measured. */
function addMeasuring(command: Command): void {
  command
    .addOption(
      new Option("--seconds <s>", "measured seconds a point and round (default: 2; quick: 1)").argParser(
        numberIn({ min: 0.1, max: 3_600, integer: false }),
      ),
    )
    .addOption(
      new Option(
        "--rounds <n>",
        "rounds over all points; figures are medians (default: 3; quick: 1)",
      ).argParser(numberIn({ min: 1, max: 100 })),
    )
    .addOption(
      new Option("--seed <n>", "what the clients' choices are drawn from")
        .argParser(numberIn({ min: 0, max: 2 ** 31 }))
        .default(1),
    )
    .option("--data <dir>", "where clusters keep their data while they run; a local disk", ".");
}
