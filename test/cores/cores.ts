/**
 * `npm run cores`: what the cores' operations cost now, against the baseline. Run by hand before and after a change of a hot path.
 *
 *     npm run cores                      all, seven rounds
 *     npm run cores -- --only engine     those whose names begin so
 *     npm run cores -- --rounds 15       on a noisy machine
 *     npm run cores -- --write           the new baseline
 *
 * A yard is the cost of a yardstick measured in the same rounds (`measure.ts`): compare ratios, not nanoseconds.
 */
import { parseArgs } from "node:util";
import { readBaseline, writeBaseline } from "./baseline.ts";
import { allCases } from "./cases.ts";
import { measure } from "./measure.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "7" },
    write: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

function main(): number {
  const rounds = Number(values.rounds);
  if (!(rounds >= 1)) {
    process.stderr.write(`--rounds takes a number from 1, not ${values.rounds}\n`);
    return 2;
  }
  const cases = allCases().filter(({ name }) => name.startsWith(values.only));
  if (cases.length === 0 || (values.write && values.only !== "")) {
    const reason = cases.length === 0 ? `nothing begins with "${values.only}"` : "--write takes all of them";
    process.stderr.write(`${reason}\n`);
    return 2;
  }
  const costs = measure(cases, rounds);
  if (values.write) writeBaseline(costs);
  const baseline = readBaseline();
  const width = Math.max(...costs.map(({ name }) => name.length));
  if (!values.json) process.stdout.write(`${"".padEnd(width)}          ns      yards  to the baseline\n`);
  for (const cost of costs) {
    const before = baseline[cost.name];
    const ratio = before === undefined ? undefined : cost.yards / before;
    if (values.json)
      process.stdout.write(`${JSON.stringify({ event: "core", ...cost, toBaseline: ratio })}\n`);
    else
      process.stdout.write(
        `${cost.name.padEnd(width)} ${cost.nanoseconds.toFixed(0).padStart(11)} ${cost.yards.toFixed(3).padStart(10)}  ${ratio === undefined ? "new" : `× ${ratio.toFixed(2)}`}\n`,
      );
  }
  return 0;
}

process.exitCode = main();
