"""The database itself refuses to change the audit trail.

UPDATE is always refused. DELETE passes only inside of an archive (a setting of its transaction),
and then only for what a signed anchor says is in a file. TRUNCATE passes only where the tests'
role (omlsaas_tests, which no installation has) and its setting come together. Whoever owns the
tables may still drop the triggers: that is found by the chain and by `manage.py doctor`.
"""

from django.db import migrations

GUARD = """
CREATE FUNCTION omlsaas_audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    archived bigint;
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('omlsaas.audit_archive', true) = 'on' THEN
        SELECT max(last_seq) INTO archived FROM tenants_auditanchor WHERE kind = 'archive';
        IF TG_TABLE_NAME = 'tenants_auditseal' THEN
            IF OLD.seq <= archived THEN
                RETURN OLD;
            END IF;
        ELSIF TG_TABLE_NAME = 'tenants_auditentry' THEN
            IF EXISTS (SELECT FROM tenants_auditseal s
                       WHERE s.entry_id = OLD.id AND s.seq <= archived) THEN
                RETURN OLD;
            END IF;
        END IF;
    ELSIF TG_OP = 'TRUNCATE' AND current_setting('omlsaas.tests', true) = 'on' THEN
        IF EXISTS (SELECT FROM pg_auth_members m
                   JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
                   WHERE r.rolname = 'omlsaas_tests' AND u.rolname = current_user) THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail is written once: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
"""
TABLES = ("tenants_auditentry", "tenants_auditseal", "tenants_auditanchor")
ROWS = """
CREATE TRIGGER omlsaas_audit_rows BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION omlsaas_audit_guard();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER omlsaas_audit_rows;
CREATE TRIGGER omlsaas_audit_all BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION omlsaas_audit_guard();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER omlsaas_audit_all;
"""
UNDO = """
DROP TRIGGER omlsaas_audit_rows ON {table};
DROP TRIGGER omlsaas_audit_all ON {table};
"""


class Migration(migrations.Migration):

    dependencies = [("tenants", "0006_audit_chain")]

    operations = [
        migrations.RunSQL(GUARD, "DROP FUNCTION omlsaas_audit_guard()"),
        *(migrations.RunSQL(ROWS.format(table=t), UNDO.format(table=t)) for t in TABLES),
    ]
