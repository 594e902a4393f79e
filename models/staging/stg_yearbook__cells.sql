-- One cell a row, typed, in the publisher's unit; nothing filled. The reference table
-- of variables names each column of the yearbook once.
with cells as (

    unpivot {{ ref("raw_yearbook_city_years") }}
    on columns(* exclude ("年份", "城市", "城市代码"))
    into name yearbook_column value raw_value

),

variables as (

    select
        variable,
        yearbook_column,
        unit,
    from {{ ref("ref_variables") }}

),

final as (

    select
        ---------- keys
        cells."城市代码" as city_id,
        {{ to_whole_number('cells."年份"') }} as year,
        variables.variable,

        ---------- labels
        cells.yearbook_column,
        variables.unit,

        ---------- measures
        cells.raw_value,
        {{ to_number("cells.raw_value") }} as value,
    from cells
    left join variables
        on cells.yearbook_column = variables.yearbook_column

)

select * from final
