/** Every anomaly by hand: found and named, its repaired twin passed, and allowed where the options allow it. */
import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { formatReport } from "./format-report.ts";
import { ANOMALIES } from "./report.ts";
import { ANOMALY_LIBRARY } from "./testing/anomaly-library.ts";
import { parseHistory } from "./testing/notation.ts";

describe("anomalies", () => {
  for (const { name, title, promise, broken, repaired, allowedBy } of ANOMALY_LIBRARY) {
    test(`${name}: ${title}`, () => {
      const report = check(parseHistory(broken, promise));
      expect(report.violations.map((anomaly) => anomaly.name)).toContain(name);
      expect(report.violations.find((anomaly) => anomaly.name === name)?.breaks).toEqual([promise]);
      expect(report.promises.filter(({ kept }) => !kept)).toMatchObject([{ promise }]);
      const after = check(parseHistory(repaired, promise));
      if (!after.valid) expect.fail(formatReport(after));
    });
    for (const weaker of allowedBy ?? [])
      test(`${name}: ${title}; allowed by ${weaker}`, () => {
        const report = check(parseHistory(broken, weaker));
        expect(report.violations).toEqual([]);
        expect(report.allowed.map((anomaly) => anomaly.name)).toContain(name);
      });
  }

  test("the library has every name", () => {
    expect([...new Set(ANOMALY_LIBRARY.map(({ name }) => name))].sort()).toEqual([...ANOMALIES].sort());
  });

  test("only one violation is reported where there is only one", () => {
    for (const { name, title, promise, broken } of ANOMALY_LIBRARY) {
      const { violations } = check(parseHistory(broken, promise));
      expect({ title, names: violations.map((anomaly) => anomaly.name) }).toEqual({ title, names: [name] });
    }
  });
});
