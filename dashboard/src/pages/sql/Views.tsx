import { ChevronRight } from "lucide-react";
import type { SqlSchema } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Card } from "../../components/display/Card";
import "./Views.css";

const DIALECTS: Record<SqlSchema["dialect"], string> = {
  duckdb: "DuckDB",
  postgres: "PostgreSQL",
  clickhouse: "ClickHouse",
};

/** What can be read, and statements to begin with. A click puts a name into the statement. */
export function Views({
  schema,
  onInsert,
  onExample,
}: {
  schema: SqlSchema;
  onInsert: (word: string) => void;
  onExample: (sql: string) => void;
}) {
  return (
    <Card
      title="Views"
      className="sql-views"
      actions={
        <span className="sql-dialect" title="Whose SQL statements are written in">
          {DIALECTS[schema.dialect]}
        </span>
      }
    >
      {schema.views.map((view, place) => (
        <details key={view.name} className="sql-view" open={place === 0}>
          <summary>
            <ChevronRight size={14} aria-hidden />
            <span className="sql-name">{view.name}</span>
            <span className="muted">{view.columns.length} columns</span>
          </summary>
          <p className="sql-about">{view.description}</p>
          <ul>
            {[{ name: view.name, type: "view", description: "The view itself." }, ...view.columns].map(
              (column) => (
                <li key={`${column.type} ${column.name}`}>
                  <button
                    type="button"
                    className="sql-column"
                    title={column.description}
                    onClick={() => onInsert(column.name)}
                  >
                    <span className="sql-name">
                      <span className="hidden-text">Insert </span>
                      {column.name}
                    </span>{" "}
                    <span className="sql-type">{column.type}</span>
                  </button>
                </li>
              ),
            )}
          </ul>
        </details>
      ))}
      <h3 className="sql-heading">Examples</h3>
      <ul className="sql-examples">
        {schema.examples.map(({ title, sql }) => (
          <li key={title}>
            <Button kind="quiet" title={sql} onClick={() => onExample(sql)}>
              {title}
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  );
}
