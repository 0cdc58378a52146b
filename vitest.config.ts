/**
 * One run for all packages, from source: the export condition "source" of each package leads to its
 * TypeScript, so tests need no build. Two projects, since their costs differ: everything that runs inside
 * one process goes first and in parallel; end-to-end tests, which start processes and measure real
 * disks, follow one file at a time.
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const folders = ["packages/*/src", "apps/*/src", "test"];
const conditions = ["source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["source", "node"] } },
  test: {
    reporters: ["default", "./scripts/count-reporter.mjs"],
    projects: [
      {
        extends: true,
        test: {
          name: "in-process",
          include: folders.map((folder) => `${folder}/**/*.test.ts`),
          exclude: ["**/node_modules/**", "**/dist/**", "**/*.e2e.test.ts"],
          testTimeout: 30_000,
          // One fewer would be taken otherwise: of two processors, one.
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "end-to-end",
          include: folders.map((folder) => `${folder}/**/*.e2e.test.ts`),
          exclude: ["**/node_modules/**", "**/dist/**"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
