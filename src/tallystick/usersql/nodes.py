"""The SQL syntax that a statement may use, as nodes of sqlglot's syntax tree. Everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from tallystick.usersql.functions import words

ALLOWED: frozenset[type[exp.Expr]] = frozenset(
    {
        # queries
        exp.Select,
        exp.Union,
        exp.Except,
        exp.Intersect,
        exp.Subquery,
        exp.With,
        exp.CTE,
        exp.From,
        exp.Join,
        exp.Where,
        exp.Group,
        exp.GroupingSets,
        exp.Rollup,
        exp.Cube,
        exp.Having,
        exp.Qualify,
        exp.Order,
        exp.Ordered,
        exp.Limit,
        exp.Offset,
        exp.Distinct,
        exp.Table,
        exp.TableAlias,
        exp.Lateral,
        exp.Values,
        exp.Tuple,
        exp.Unnest,
        # names and values
        exp.Identifier,
        exp.Column,
        exp.Star,
        exp.Alias,
        exp.Dot,
        exp.Literal,
        exp.Boolean,
        exp.Null,
        exp.Interval,
        exp.Var,
        exp.Array,
        exp.Bracket,
        exp.Slice,
        exp.Paren,
        exp.DataType,
        exp.DataTypeParam,
        exp.Struct,
        exp.PropertyEQ,
        # operators
        exp.Add,
        exp.Sub,
        exp.Mul,
        exp.Div,
        exp.IntDiv,
        exp.Mod,
        exp.Pow,
        exp.Neg,
        exp.DPipe,
        exp.Concat,
        exp.BitwiseAnd,
        exp.BitwiseOr,
        exp.BitwiseXor,
        exp.BitwiseNot,
        exp.BitwiseLeftShift,
        exp.BitwiseRightShift,
        exp.EQ,
        exp.NEQ,
        exp.GT,
        exp.GTE,
        exp.LT,
        exp.LTE,
        exp.NullSafeEQ,
        exp.NullSafeNEQ,
        exp.Is,
        exp.In,
        exp.Between,
        exp.And,
        exp.Or,
        exp.Not,
        exp.Like,
        exp.ILike,
        exp.SimilarTo,
        exp.Escape,
        exp.RegexpLike,
        exp.RegexpILike,
        exp.Any,
        exp.All,
        exp.Exists,
        exp.ArrayContainsAll,
        exp.ArrayContainedBy,
        exp.ArrayOverlaps,
        exp.JSONExtract,
        exp.JSONExtractScalar,
        exp.JSONBContainsTopKey,
        exp.AtTimeZone,
        # calls
        exp.Anonymous,
        exp.ParameterizedAgg,
        exp.Case,
        exp.If,
        exp.Cast,
        exp.TryCast,
        exp.Extract,
        exp.Substring,
        exp.Trim,
        exp.StrPosition,
        exp.CurrentDate,
        exp.CurrentTimestamp,
        exp.Filter,
        exp.WithinGroup,
        exp.Window,
        exp.WindowSpec,
    }
)

PARTS: Mapping[type[exp.Expr], frozenset[str]] = {
    exp.Select: words(
        "expressions distinct from_ joins laterals where group having qualify windows order limit offset with_"
    ),
    exp.Subquery: words("this alias with_ joins order limit offset"),
    **{
        kind: words("this expression expressions distinct by_name with_ order limit offset")
        for kind in (exp.Union, exp.Except, exp.Intersect)
    },
    exp.Table: words("this alias joins laterals ordinality"),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias", "materialized"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Join: words("this on using side kind method"),
    exp.Lateral: words("this alias ordinality"),
    exp.Column: frozenset({"this", "table"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.ParameterizedAgg: words("this expressions params"),
    exp.DataType: words("this expressions nested values nullable"),
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "safe"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Star: frozenset({"except_", "replace", "rename"}),
    exp.Unnest: words("expressions alias offset"),
    exp.Dot: frozenset({"this", "expression"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.CurrentDate: frozenset(),
    exp.CurrentTimestamp: frozenset(),
}
"""Allowed parts of nodes that have others too (INTO, FOR UPDATE, RECURSIVE, samples, hints, formats)."""

_PARAMETER = "a statement takes no parameters"
_LITERAL = "a text is written in single quotes only, without a prefix such as E or $"
_PERSON = "the store's user, schema and database are not available"
REASONS: Mapping[type[exp.Expr], str] = {
    exp.Placeholder: _PARAMETER,
    exp.Parameter: _PARAMETER,
    exp.ByteString: _LITERAL,
    exp.RawString: _LITERAL,
    exp.UnicodeString: _LITERAL,
    exp.HexString: _LITERAL,
    exp.BitString: _LITERAL,
    exp.National: _LITERAL,
    exp.CurrentUser: _PERSON,
    exp.SessionUser: _PERSON,
    exp.CurrentSchema: _PERSON,
    exp.CurrentCatalog: _PERSON,
    exp.Into: "SELECT INTO is not allowed: nothing is written",
    exp.Lock: "FOR UPDATE and FOR SHARE are not allowed: nothing is locked",
    exp.Insert: "INSERT is not allowed: nothing is written",
    exp.Update: "UPDATE is not allowed: nothing is written",
    exp.Delete: "DELETE is not allowed: nothing is written",
    exp.IgnoreNulls: "IGNORE NULLS is not supported",
    exp.RespectNulls: "RESPECT NULLS is not supported",
    exp.TableSample: "samples are not supported",
    exp.Pivot: "PIVOT and UNPIVOT are not supported",
    exp.Lambda: "lambdas are not supported",
    exp.Kwarg: "named arguments are not supported",
}
"""Reasons for refusing syntax that users are likely to try."""

_T = exp.DType
TYPES: frozenset[exp.DType | str] = frozenset(
    {
        _T.BOOLEAN,
        _T.TINYINT,
        _T.SMALLINT,
        _T.INT,
        _T.BIGINT,
        _T.INT128,
        _T.UTINYINT,
        _T.USMALLINT,
        _T.UINT,
        _T.UBIGINT,
        _T.UINT128,
        _T.FLOAT,
        _T.DOUBLE,
        _T.DECIMAL,
        _T.TEXT,
        _T.VARCHAR,
        _T.CHAR,
        _T.BPCHAR,
        _T.DATE,
        _T.TIME,
        _T.TIMETZ,
        _T.TIMESTAMP,
        _T.TIMESTAMPNTZ,
        _T.TIMESTAMPTZ,
        _T.TIMESTAMP_S,
        _T.TIMESTAMP_MS,
        _T.TIMESTAMP_NS,
        _T.INTERVAL,
        _T.UUID,
        _T.JSON,
        _T.JSONB,
        _T.ARRAY,
        _T.LIST,
        _T.DATETIME,
        _T.DATETIME64,
        _T.DATE32,
    }
)

WORDS = words(
    "MICROSECOND MILLISECOND SECOND MINUTE HOUR DAY WEEK MONTH QUARTER YEAR DECADE CENTURY MILLENNIUM MICROSECONDS "
    "MILLISECONDS SECONDS MINUTES HOURS DAYS WEEKS MONTHS QUARTERS YEARS DECADES CENTURIES MILLENNIA DOW ISODOW "
    "DAYOFWEEK DAYOFWEEKISO DAYOFWEEK_ISO DOY DAYOFYEAR ISOYEAR YEARWEEK EPOCH JULIAN TIMEZONE TIMEZONE_HOUR "
    "TIMEZONE_MINUTE ERA WEEKDAY DAYOFMONTH"
)
"""Allowed unquoted keywords: parts and units of time."""
