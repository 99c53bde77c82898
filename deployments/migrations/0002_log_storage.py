"""Chunks are compressed by us when a run has ended: PostgreSQL need not try before that."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("deployments", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE deployments_logchunk ALTER COLUMN data SET STORAGE EXTERNAL",
            "ALTER TABLE deployments_logchunk ALTER COLUMN data SET STORAGE EXTENDED",
        )
    ]
